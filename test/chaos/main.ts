// npm run chaos: rounds of faults under load; a JSON line per round on stdout, the sum at the end. Exits with 1 if
// anything was lost, duplicated or out of order.
import { parseArgs } from 'node:util';
import { faultKinds } from './faults.ts';
import { type Round, runRound } from './round.ts';

const values = readArguments();

if (values.help) {
  process.stdout.write(
    [
      'npm run chaos -- [--rounds 10 | --round <number>] [--seed <words>] [--seconds 8] [--rate 50] [--faults 6] [--kinds kill,cut] [--quiet 90]',
      '  rounds   how many households are put under load, each in folders of its own',
      '  round    this one alone, of the same seed',
      '  seed     the same seed strikes with the same faults at the same moments',
      '  seconds  of load in a round',
      '  rate     messages a second, each way',
      '  faults   in a round',
      '  quiet    seconds until all must be well again; a busy machine needs more',
      `  kinds    of them: ${faultKinds.join(', ')}`,
      '',
    ].join('\n'),
  );
} else {
  const rounds: Round[] = [];
  const numbers = values.round === undefined ? [...Array(Number(values.rounds)).keys()] : [Number(values.round)];
  for (const number of numbers) {
    const round = await runRound({
      seed: `${values.seed}/${number}`,
      loadMs: Number(values.seconds) * 1000,
      perSecond: Number(values.rate),
      faults: Number(values.faults),
      kinds: faultKinds.filter((kind) => values.kinds.split(',').includes(kind)),
      quietMs: Number(values.quiet) * 1000,
    });
    rounds.push(round);
    const { plan, ...figures } = round;
    const faults = plan.map(({ kind, at, atMs }) => `${kind}:${at}@${atMs}`);
    process.stdout.write(`${JSON.stringify({ round: number, ...figures, plan: faults })}\n`);
  }
  const sum = (
    figure: 'received' | 'sent' | 'lost' | 'twice' | 'disordered' | 'unfinished' | 'misread' | 'unknown' | 'crashes',
  ) => rounds.reduce((total, round) => total + round[figure], 0);
  const total = {
    rounds: rounds.length,
    seed: values.seed,
    received: sum('received'),
    sent: sum('sent'),
    lost: sum('lost'),
    twice: sum('twice'),
    disordered: sum('disordered'),
    misread: sum('misread'),
    unfinished: sum('unfinished'),
    crashes: sum('crashes'),
    unknown: sum('unknown'),
    unknownPerThousand: Math.round((sum('unknown') / Math.max(1, sum('sent'))) * 1e6) / 1e3,
    slowestMs: Math.max(...rounds.map((round) => round.slowestMs)),
    longestQuietMs: Math.max(...rounds.map((round) => round.quietAfterMs)),
  };
  process.stdout.write(`${JSON.stringify(total)}\n`);
  const wrong = total.lost + total.twice + total.disordered + total.misread + total.unfinished + total.crashes;
  process.exitCode = wrong > 0 ? 1 : 0;
}

/** Exits with 2 if an argument is no number: NaN would mean zero rounds. */
function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '10' },
        round: { type: 'string' },
        seed: { type: 'string', default: String(Date.now()) },
        seconds: { type: 'string', default: '8' },
        rate: { type: 'string', default: '50' },
        faults: { type: 'string', default: '6' },
        kinds: { type: 'string', default: faultKinds.join(',') },
        quiet: { type: 'string', default: '90' },
        help: { type: 'boolean', default: false },
      },
    });
    const faults = [
      ...(['rounds', 'seconds', 'rate', 'faults', 'quiet'] as const)
        .filter((name) => !/^[1-9]\d{0,5}$/.test(values[name]))
        .map((name) => `--${name}: a whole number from 1`),
      ...(/^\d{1,6}$/.test(values.round ?? '0') ? [] : ['--round: the number of a round']),
      ...values.kinds
        .split(',')
        .filter((kind) => !faultKinds.some((known) => known === kind))
        .map((kind) => `--kinds: there is no “${kind}”`),
    ];
    if (faults.length > 0 && !values.help) throw new Error(faults.join('\n'));
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\nTry npm run chaos -- --help.\n`);
    process.exit(2);
  }
}
