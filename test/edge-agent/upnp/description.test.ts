// Descriptions of devices and services. Requirements S1–S16, Z5, Z16, quirks 16–28.
import { describe, expect, it } from 'vitest';
import { parseType, readDescription, readScpd, walkDevices } from '../../../edge-agent/upnp/description/description.ts';
import { failureOf, useLan } from '../../fixtures/upnp/lan.ts';
import { httpAnswer, ok, type RawDevice } from '../../fixtures/upnp/raw-device.ts';

const lan = useLan();

const service = (parts: Record<string, string>) => {
  const all = {
    serviceType: 'urn:schemas-upnp-org:service:Messaging:2',
    serviceId: 'urn:upnp-org:serviceId:Messaging',
    controlURL: '/control',
    eventSubURL: '/event',
    SCPDURL: '/scpd.xml',
    ...parts,
  };
  return `<service>${Object.entries(all)
    .map(([name, value]) => `<${name}>${value}</${name}>`)
    .join('')}</service>`;
};
const description = (services: string, more = '', before = '') =>
  `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">${before}<device>` +
  '<deviceType>urn:schemas-upnp-org:device:TelephonyServer:2</deviceType><friendlyName>Phone</friendlyName>' +
  `<UDN>uuid:1</UDN>${more}<serviceList>${services}</serviceList></device></root>`;

async function serving(body: string | Buffer | ((port: number) => string)): Promise<RawDevice> {
  const device: RawDevice = await lan.device(() => ok(typeof body === 'function' ? body(device.port) : body));
  return device;
}
const read = async (body: Parameters<typeof serving>[0]) =>
  readDescription(lan.network, (await serving(body)).url('/dir/d.xml'));

describe('device description', () => {
  it('yields names and services with absolute URLs', async () => {
    const device = await serving(
      description(service({}), '<presentationURL>/</presentationURL><modelName>M</modelName>'),
    );
    expect(await readDescription(lan.network, device.url('/dir/d.xml'))).toEqual({
      udn: 'uuid:1',
      deviceType: 'urn:schemas-upnp-org:device:TelephonyServer:2',
      friendlyName: 'Phone',
      manufacturer: undefined,
      modelName: 'M',
      presentationUrl: device.url('/'),
      services: [
        {
          serviceType: 'urn:schemas-upnp-org:service:Messaging:2',
          name: 'Messaging',
          version: 2,
          serviceId: 'urn:upnp-org:serviceId:Messaging',
          controlUrl: device.url('/control'),
          eventSubUrl: device.url('/event'),
          scpdUrl: device.url('/scpd.xml'),
        },
      ],
      devices: [],
    });
  });

  it('yields embedded devices, each with its own services', async () => {
    const inner = (udn: string, services: string, more = '') =>
      `<device><UDN>${udn}</UDN><serviceList>${services}</serviceList>${more}</device>`;
    const embedded = inner('uuid:2', '', `<deviceList>${inner('uuid:3', service({ controlURL: '/3' }))}</deviceList>`);
    const root = await read(description(service({ controlURL: '/1' }), `<deviceList>${embedded}</deviceList>`));
    const found = [...walkDevices(root)].map((one) => [
      one.udn,
      one.services.map(({ controlUrl }) => new URL(controlUrl).pathname),
    ]);
    expect(found).toEqual([
      ['uuid:1', ['/1']],
      ['uuid:2', []],
      ['uuid:3', ['/3']],
    ]);
  });

  it('caps the number of devices and services', async () => {
    const many = '<device><UDN>x</UDN></device>'.repeat(500);
    const root = await read(description(service({}).repeat(200), `<deviceList>${many}</deviceList>`));
    expect([...walkDevices(root)]).toHaveLength(64);
    expect(root.services).toHaveLength(64);
  });

  it('follows a redirect and resolves relative URLs against its target', async () => {
    const device = await lan.device((request) =>
      request.path === '/new/d.xml'
        ? ok(description(service({ controlURL: 'c' })))
        : httpAnswer('301 Moved', '', { LOCATION: '/new/d.xml' }),
    );
    const root = await readDescription(lan.network, device.url('/d.xml'));
    expect(root.services[0]?.controlUrl).toBe(device.url('/new/c'));
  });

  it('is dialled by address when LOCATION held a name', async () => {
    const device = await serving(description(service({})));
    const root = await readDescription(lan.network, device.url('/d.xml').replace('127.0.0.1', 'localhost'));
    expect(root.services[0]?.controlUrl).toBe(device.url('/control'));
  });

  it.each([
    ['the fetched one counts when there is none', '', 'c', '/dir/c'],
    ['URLBase counts', '<URLBase>http://127.0.0.1:PORT/base/</URLBase>', 'c', '/base/c'],
    ['URLBase without slash (quirk 21)', '<URLBase>http://127.0.0.1:PORT</URLBase>', 'c', '/c'],
    ['URLBase with a wrong port (quirk 21)', '<URLBase>http://127.0.0.1:1/base/</URLBase>', 'c', '/dir/c'],
    ['URLBase on another host', '<URLBase>http://10.0.0.1/base/</URLBase>', 'c', '/dir/c'],
    ['URLBase that is none', '<URLBase>nonsense</URLBase>', '/c', '/c'],
  ])('resolves URLs: %s', async (_, base, reference, path) => {
    const device = await serving((port) =>
      description(service({ controlURL: reference }), '', base.replace('PORT', String(port))),
    );
    const root = await readDescription(lan.network, device.url('/dir/d.xml'));
    expect(root.services[0]?.controlUrl).toBe(device.url(path));
  });

  it.each([
    'http://10.0.0.1/c',
    '//10.0.0.1/c',
    '\\\\10.0.0.1\\c',
    'urn:x',
    'javascript:x',
    '',
    'http://127.0.0.1@10.0.0.1/c',
  ])('skips a service whose control URL is "%s" and keeps the others', async (controlURL) => {
    const root = await read(description(service({ controlURL }) + service({ controlURL: '/good' })));
    expect(root.services.map((one) => new URL(one.controlUrl).pathname)).toEqual(['/good']);
  });

  it('keeps a service whose other URLs are bad', async () => {
    const root = await read(description(service({ eventSubURL: 'http://10.0.0.1/', SCPDURL: '' })));
    expect(root.services[0]).toMatchObject({ eventSubUrl: undefined, scpdUrl: undefined });
  });

  it('skips a service with an empty or invalid type, whatever its id (quirk 24)', async () => {
    const root = await read(
      description(service({ serviceType: '' }) + service({ serviceType: 'x' }) + service({ serviceId: '' })),
    );
    expect(root.services).toHaveLength(1);
  });

  it.each([
    ['no namespace (S6)', (xml: string) => xml.replace(/ xmlns="[^"]*"/, '')],
    ['a wrong namespace', (xml: string) => xml.replace('device-1-0', 'device-9')],
    ['a blank before the namespace (quirk 20)', (xml: string) => xml.replace('xmlns="', 'xmlns=" ')],
    ['undeclared prefixes (quirk 19)', (xml: string) => xml.replace('<UDN>', '<dlna:X>1</dlna:X><UDN>')],
    ['a trailing NUL (quirk 16)', (xml: string) => `${xml}\0`],
    ['a byte order mark (quirk 17)', (xml: string) => `\ufeff${xml}`],
    ['garbage in front (quirk 18)', (xml: string) => `junk\r\n${xml}`],
    ['junk behind (quirk 18)', (xml: string) => `${xml}</device>x`],
    ['a bare ampersand', (xml: string) => xml.replace('<UDN>', '<manufacturer>A&B</manufacturer><UDN>')],
  ])('is parsed despite %s', async (_, spoil) => {
    const root = await read(spoil(description(service({}))));
    expect(root).toMatchObject({ udn: 'uuid:1', friendlyName: 'Phone', services: [{ name: 'Messaging' }] });
  });

  it('is decoded in an encoding other than the declared one', async () => {
    const xml = description('', '<manufacturer>Süd</manufacturer>');
    expect((await read(Buffer.from(xml, 'latin1'))).manufacturer).toBe('Süd');
    expect((await read(Buffer.from(`\ufeff${xml}`, 'utf16le'))).manufacturer).toBe('Süd');
  });

  it('needs only a device element', async () => {
    expect(await read('<root><device/></root>')).toMatchObject({
      udn: '',
      friendlyName: '',
      services: [],
      devices: [],
    });
  });

  it('keeps a UDN that is not a UUID (quirk 10)', async () => {
    expect((await read('<root><device><UDN> UUID:iPod Dock </UDN></device></root>')).udn).toBe('uuid:iPod Dock');
  });

  it('strips terminal control and bidirectional characters from names', async () => {
    const name = 'A\u202eB\u200f\nC&#13;&#10; D';
    expect((await read(`<root><device><friendlyName>${name}</friendlyName></device></root>`)).friendlyName).toBe(
      'A B C D',
    );
    expect(
      (await read(`<root><device><friendlyName>${'x'.repeat(999)}</friendlyName></device></root>`)).friendlyName,
    ).toHaveLength(256);
  });

  it.each([
    ['a web page', '<!DOCTYPE html><html></html>'],
    ['another document', '<scpd/>'],
    ['no device', '<root/>'],
    ['nothing', ''],
    ['half of one', '<root><device>'],
  ])('is malformed when it is %s', async (_, body) => {
    expect(await failureOf(read(body))).toMatchObject({ kind: 'malformed' });
  });

  it('fails with the HTTP status', async () => {
    const device = await lan.device(() => httpAnswer('404 Not Found', 'x'));
    expect(await failureOf(readDescription(lan.network, device.url('/')))).toMatchObject({
      kind: 'refused',
      httpStatus: 404,
    });
  });
});

describe('parseType', () => {
  it.each([
    ['urn:schemas-upnp-org:service:Messaging:2', { name: 'Messaging', version: 2 }],
    [' urn: schemas-upnp-org:service:Messaging:1.0 ', { name: 'Messaging', version: 1 }],
    ['URN:schemas-upnp-org:Service:Messaging: 2', { name: 'Messaging', version: 2 }],
    ['urn:schemas-upnp-org:serviceId:Messaging:2', { name: 'Messaging', version: 2 }],
    ['urn:a.b-c:device:Some: Thing:2.5', { name: 'Some: Thing', version: 2 }],
    ['urn:schemas-upnp-org:service:Messaging', undefined],
    ['Messaging:2', undefined],
    ['', undefined],
  ])('parses "%s" leniently (quirk 23)', (type, expected) => {
    expect(parseType(type)).toEqual(expected);
  });
});

describe('SCPD', () => {
  const scpd = async (body: string) => readScpd(lan.network, (await serving(body)).url('/scpd.xml'));

  it('yields actions with their arguments, and variables', async () => {
    const found = await scpd(`<scpd xmlns="urn:schemas-upnp-org:service-1-0"><actionList>
      <action><name> Get </name><argumentList>
        <argument><name>A</name><direction>in</direction><relatedStateVariable>V</relatedStateVariable></argument>
        <argument><name>B</name><direction>OUT</direction></argument>
        <argument><name>C</name><direction>INOUT</direction></argument>
        <argument><name>D</name></argument><argument/></argumentList></action>
      <action><name>Bare</name></action><action/></actionList>
      <serviceStateTable>
        <stateVariable sendEvents="yes"><name>V</name><dataType>String</dataType>
          <allowedValueList><allowedValue> x </allowedValue><allowedValue>y</allowedValue></allowedValueList></stateVariable>
        <stateVariable><sendEventsAttribute>yes</sendEventsAttribute><name>Old</name></stateVariable>
        <stateVariable><name>W</name><allowedValueRange><minimum>9</minimum><maximum>1</maximum></allowedValueRange></stateVariable>
        <stateVariable sendEvents="no"/></serviceStateTable></scpd>`);
    expect(found).toEqual({
      actions: [
        { name: 'Get', in: ['A', 'C', 'D'], out: ['B'] },
        { name: 'Bare', in: [], out: [] },
      ],
      stateVariables: [
        { name: 'V', dataType: 'string', evented: true, allowed: ['x', 'y'] },
        { name: 'Old', dataType: 'string', evented: true, allowed: [] },
        { name: 'W', dataType: 'string', evented: false, allowed: [] },
      ],
    });
  });

  it.each([
    ['empty', ''],
    ['cut off', '<scpd><actionList>'],
    ['a web page', '<html/>'],
    ['blank', ' \r\n\0'],
  ])('is undefined when it is %s (quirk 25)', async (_, body) => {
    expect(await scpd(body)).toBeUndefined();
  });

  it('is undefined on 404, and an error when the device is unreachable', async () => {
    const device = await lan.device(() => httpAnswer('404 Not Found'));
    expect(await readScpd(lan.network, device.url('/'))).toBeUndefined();
    const url = device.url('/');
    await device.stop();
    expect(await failureOf(readScpd(lan.network, url))).toMatchObject({ kind: 'unreachable' });
  });
});
