// The software phone as gssdp-discover finds it: by root device, UDN, device type and both versions of its service.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { telephonyServer } from '../../edge-agent/phone/phone.ts';
import { type PhoneUnderTest, startPhone } from '../edge-agent/phone/phone-under-test.ts';

const discover = '/usr/bin/gssdp-discover';
const isAbsent = !existsSync(discover);
if (isAbsent) process.stderr.write('skipped: gssdp-discover is not here (Debian: apt-get install gssdp-tools)\n');

// Where tests are the gate, a missing peer is a failure and not a reason to look away.
describe.skipIf(isAbsent && process.env.CI === undefined)('gssdp-discover', () => {
  let home: PhoneUnderTest;
  beforeAll(async () => {
    home = await startPhone({ ssdpPort: 1900 });
    // Found by searching, not by the announcements at its start, which name the highest versions only.
    await new Promise((resolve) => setTimeout(resolve, 500));
  });
  afterAll(() => home.stop());

  it.concurrent.each<[string, () => string]>([
    ['root device', () => 'upnp:rootdevice'],
    ['UDN', () => home.phone.udn],
    ['device type', () => telephonyServer],
    ['an older device type', () => telephonyServer.replace(':2', ':1')],
    ['the service', () => 'urn:schemas-upnp-org:service:Messaging:2'],
    ['its older version', () => 'urn:schemas-upnp-org:service:Messaging:1'],
  ])('finds it by %s', async (_, targetOf) => {
    const target = targetOf();
    const { stdout } = await promisify(execFile)(discover, ['-i', 'lo', '-n', '4', '-t', target]);
    const usn = target === home.phone.udn ? target : `${home.phone.udn}::${target}`;
    expect(stdout).toContain(`USN:      ${usn}\n`);
    expect(stdout).toContain(home.phone.location);
  });

  it.concurrent('finds nothing by a version that is not served', async () => {
    const target = 'urn:schemas-upnp-org:service:Messaging:3';
    const { stdout } = await promisify(execFile)(discover, ['-i', 'lo', '-n', '3', '-t', target]);
    expect(stdout).not.toContain(home.phone.udn);
  });
});
