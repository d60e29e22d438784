// The latency of GetSessions for one control point over loopback: `node test/bench/soap.ts`.
// The device only answers, so this measures our side, the kernel and Node's HTTP.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { callAction } from '../../edge-agent/upnp/control/soap.ts';
import { writeActionAnswer } from '../../edge-agent/upnp/control/soap-envelope.ts';
import { LanNetwork } from '../../edge-agent/upnp/network/network.ts';

const serviceType = 'urn:schemas-upnp-org:service:Messaging:2';
const warmUp = 2000;
const calls = 5000;

const answer = writeActionAnswer(serviceType, 'GetSessions', [
  ['SessionsList', '<sessionsList xmlns="urn:homeline:messaging:1"/>'],
]);
const device = createServer((request, response) => {
  request.resume().on('end', () => {
    response
      .writeHead(200, { 'Content-Type': 'text/xml; charset="utf-8"', 'Content-Length': Buffer.byteLength(answer) })
      .end(answer);
  });
});
await new Promise<void>((resolve) => device.listen(0, '127.0.0.1', resolve));
const controlUrl = `http://127.0.0.1:${(device.address() as AddressInfo).port}/control`;
const network = new LanNetwork({ interfaces: ['lo'] });
await network.start();

for (const repeatable of [true, false]) {
  const tookMs: number[] = [];
  for (let at = 0; at < warmUp + calls; at++) {
    const startedAtMs = performance.now();
    await callAction(network, {
      controlUrl,
      serviceType,
      action: 'GetSessions',
      arguments: [
        ['SessionID', ''],
        ['SessionClass', 'ANY'],
        ['SessionStatus', ''],
      ],
      deadlineMs: 30_000,
      repeatable,
    });
    if (at >= warmUp) tookMs.push(performance.now() - startedAtMs);
  }
  tookMs.sort((a, b) => a - b);
  const quantileMs = (part: number) => Number((tookMs[Math.floor(part * tookMs.length)] ?? 0).toFixed(3));
  const connection = repeatable ? 'kept' : 'fresh';
  console.log(
    JSON.stringify({ what: 'GetSessions', connection, calls, p50Ms: quantileMs(0.5), p99Ms: quantileMs(0.99) }),
  );
}

await network.stop();
device.close();
