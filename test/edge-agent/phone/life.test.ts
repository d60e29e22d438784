// Start and stop: what persists, what is sent, what stays open.
import { execFile } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextBootId } from '../../../edge-agent/phone/identity.ts';
import { telephonyClient } from '../../../edge-agent/phone/phone.ts';
import { parseSsdp, ssdpAddress } from '../../../edge-agent/upnp/discovery/ssdp-message.ts';
import { freeUdpPort, nonna, ScriptedLine, startPhone, until } from './phone-under-test.ts';

let dataFolder: string;
beforeEach(() => {
  dataFolder = mkdtempSync(join(tmpdir(), 'homeline-phone-'));
});
afterEach(() => {
  chmodSync(dataFolder, 0o700);
  rmSync(dataFolder, { recursive: true });
});

async function listen(port: number): Promise<{ socket: Socket; heard: ReadonlyMap<string, string>[] }> {
  const heard: ReadonlyMap<string, string>[] = [];
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (datagram) => {
    const message = parseSsdp(datagram);
    if (message?.kind === 'notify') heard.push(message.headers);
  });
  await new Promise<void>((resolve) => socket.bind(port, '0.0.0.0', resolve));
  socket.addMembership(ssdpAddress.v4, '127.0.0.1');
  return { socket, heard };
}

describe('a restarted phone', () => {
  it('is the same device with a higher BOOTID, and sends byebye on stop', async () => {
    const ssdpPort = await freeUdpPort();
    const { socket, heard } = await listen(ssdpPort);
    const bootIds: number[] = [];
    const udns = new Set<string>();
    for (let start = 0; start < 2; start++) {
      heard.length = 0;
      const home = await startPhone({ dataFolder, ssdpPort });
      udns.add(home.phone.udn);
      const alive = await until(() => heard.find((headers) => headers.get('NTS') === 'ssdp:alive'));
      bootIds.push(Number(alive.get('BOOTID.UPNP.ORG')));
      expect(alive.get('LOCATION')).toBe(home.phone.location);
      heard.length = 0;
      await home.stop();
      const byebyes = await until(() => {
        const said = heard.filter((headers) => headers.get('NTS') === 'ssdp:byebye');
        return said.length >= 4 && said;
      });
      expect(new Set(byebyes.map((headers) => headers.get('NT')))).toEqual(
        new Set([
          onlyOf(udns),
          'upnp:rootdevice',
          'urn:schemas-upnp-org:device:TelephonyServer:2',
          'urn:schemas-upnp-org:service:Messaging:2',
        ]),
      );
    }
    socket.close();
    expect(udns.size).toBe(1);
    expect(bootIds[1]).toBeGreaterThan(bootIds[0] ?? 0);
  });

  it('still has its messages and sessions, and sends what is in Outgoing', async () => {
    const line = new ScriptedLine();
    line.down = true;
    const before = await startPhone({ dataFolder, line });
    const received = await before.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Keep me' });
    const waiting = await before.control.send({ body: 'Later' });
    const sessionId = await before.line.events.offered({ sessionClass: 'Chat', initiator: nonna });
    await before.stop();

    const after = await startPhone({ dataFolder });
    await until(() => after.line.sent.length === 1);
    expect(after.line.sent[0]).toMatchObject({ messageId: waiting, body: 'Later' });
    expect((await after.control.messages()).map(({ messageId }) => messageId)).toEqual([received, waiting]);
    expect(await after.control.sessions()).toMatchObject([{ sessionId, status: 'Pending' }]);
    const fresh = await after.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'New' });
    expect([received, waiting]).not.toContain(fresh);
    await after.stop();
  });

  it('leaves no handle open that would keep its process alive', async () => {
    const source = (path: string) => JSON.stringify(new URL(`../../../edge-agent/phone/${path}`, import.meta.url).href);
    const program = `
      import { SoftwarePhone } from ${source('phone.ts')};
      import { DemonstrationLine } from ${source('lines/demonstration.ts')};
      const phone = new SoftwarePhone({
        interfaces: ['lo'], port: 0, dataFolder: process.env.FOLDER, name: 'P', number: '1',
        ssdpPort: ${await freeUdpPort()}, line: new DemonstrationLine(), report() {},
      });
      await phone.start();
      await phone.stop();
      await phone.stop();
      console.log('stopped');`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      env: { ...process.env, FOLDER: dataFolder },
      timeout: 50_000,
    });
    expect(stdout).toBe('stopped\n');
  });

  it('answers only the allowed control points', async () => {
    const others = await startPhone({ dataFolder, allowed: ['192.0.2.7'] });
    await expect(others.control.messages()).rejects.toThrow();
    await others.stop();
    const ours = await startPhone({ dataFolder, allowed: ['192.0.2.7', '127.0.0.1'] });
    expect(await ours.control.messages()).toEqual([]);
    await ours.stop();
  });

  it('can be a Telephony Client', async () => {
    const home = await startPhone({ dataFolder, deviceType: telephonyClient });
    expect(await (await fetch(home.phone.location)).text()).toContain(`<deviceType>${telephonyClient}</deviceType>`);
    await home.stop();
  });
});

describe('a phone that cannot start', () => {
  it('fails when its port is taken, and closes everything', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(startPhone({ dataFolder, port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    server.close();
    await (await startPhone({ dataFolder, port })).stop();
  });

  it('fails when the interface does not exist', async () => {
    await expect(startPhone({ dataFolder, interfaces: ['nonsuch0'] })).rejects.toThrow('nonsuch0');
  });

  it('fails when its folder is a file', async () => {
    const path = join(dataFolder, 'file');
    writeFileSync(path, '');
    await expect(startPhone({ dataFolder: path })).rejects.toThrow();
  });

  it('fails when another phone runs on its folder, without disturbing it', async () => {
    const first = await startPhone({ dataFolder });
    await expect(startPhone({ dataFolder })).rejects.toMatchObject({ errcode: 5 });
    await first.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Still here' });
    expect(await first.control.messages()).toHaveLength(1);
    await first.stop();
  });

  it('does not touch a database of a newer version', async () => {
    const database = new DatabaseSync(join(dataFolder, 'phone.db'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(startPhone({ dataFolder })).rejects.toThrow('newer version');
  });
});

it('increases BOOTID even when the clock went back', () => {
  expect(nextBootId(0, 1_795_000_000_000)).toBe(1_795_000_000);
  expect(nextBootId(1_795_000_000, 5)).toBe(1_795_000_001);
});

function onlyOf(udns: ReadonlySet<string>): string {
  return [...udns][0] ?? '';
}
