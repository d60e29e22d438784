// npm run doctor: checks what keeps this machine from the phones of the home, and says what to do.
import { readSettings } from '../../protocol/settings.ts';
import { agentSettings } from '../settings.ts';
import { listInterfaces } from '../upnp/network/address.ts';
import { type Finding, linesOf } from './finding.ts';
import { checkNetworks } from './networks.ts';
import { checkPhones } from './phones.ts';

const { interfaces, phone, ssdpPort } = agentSettings;
const read = readSettings(
  { interfaces, phone, ssdpPort },
  {
    command: 'npm run doctor --',
    summary: 'checks the networks of this machine and the phones on them. The exit code is 0 when there is no fault.',
    env: process.env,
    argv: process.argv.slice(2),
  },
);

const print = (line: string) => void process.stdout.write(`${line}\n`);
const printFindings = (title: string, findings: readonly Finding[]) => {
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
  const checkPhonesFound = async () => {
    print('Phones: searching for four seconds …');
    const { interfaces, ssdpPort, phone: phoneUrl } = values;
    const found = await checkPhones({ interfaces, ssdpPort, phoneUrl });
    printFindings('Phones', found);
    return found;
  };
  const networks = await checkNetworks(values.interfaces, values.ssdpPort);
  printFindings('Networks', networks);
  const phones = listInterfaces(values.interfaces).length > 0 ? await checkPhonesFound() : [];
  const faults = [...networks, ...phones].filter(({ kind }) => kind === 'fault').length;
  print(faults === 0 ? 'No faults found.' : `Faults found: ${faults}.`);
  if (faults > 0) process.exitCode = 1;
}
