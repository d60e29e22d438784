// npm run doctor: what stands between this machine and the telephones of the house, and the mend for each.
import { readSettings } from '../../protocol/settings.ts';
import { agentSettings } from '../settings.ts';
import { listInterfaces } from '../upnp/network/address.ts';
import { type Finding, linesOf } from './finding.ts';
import { examineNetworks } from './networks.ts';
import { examinePhones } from './phones.ts';

const { interfaces, phone, ssdpPort } = agentSettings;
const read = readSettings(
  { interfaces, phone, ssdpPort },
  {
    command: 'npm run doctor --',
    summary: 'looks at the networks of this machine and the phones on them; ends with 0 when nothing is to be mended.',
    env: process.env,
    argv: process.argv.slice(2),
  },
);

const print = (line: string) => void process.stdout.write(`${line}\n`);
const tell = (title: string, findings: readonly Finding[]) => {
  print(title);
  for (const finding of findings) for (const line of linesOf(finding)) print(line);
};

if (read.kind === 'help') {
  print(read.text);
} else if (read.kind === 'faults') {
  process.stderr.write(`${read.text}\n`);
  process.exitCode = 2;
} else {
  const { values } = read;
  const lookForPhones = async () => {
    print('Phones: listening for four seconds …');
    const { interfaces, ssdpPort, phone: phoneUrl } = values;
    const found = await examinePhones({ interfaces, ssdpPort, phoneUrl });
    tell('Phones', found);
    return found;
  };
  const networks = await examineNetworks(values.interfaces, values.ssdpPort);
  tell('Networks', networks);
  const phones = listInterfaces(values.interfaces).length > 0 ? await lookForPhones() : [];
  const faults = [...networks, ...phones].filter(({ kind }) => kind === 'fault').length;
  print(faults === 0 ? 'Nothing is to be mended.' : `To be mended: ${faults}.`);
  if (faults > 0) process.exitCode = 1;
}
