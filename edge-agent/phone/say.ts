// `npm run phone -- say …`: simulates an incoming message at the phone that runs on this data folder.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { controlFileName } from './control-page.ts';

const controlFile = z.object({ url: z.url(), token: z.string() });

/** Returns the messageId. Throws an Error with the remedy when no phone runs on the folder. */
export async function say(dataFolder: string, from: string, text: string): Promise<string> {
  let control: z.infer<typeof controlFile>;
  try {
    control = controlFile.parse(JSON.parse(readFileSync(join(dataFolder, controlFileName), 'utf8')));
  } catch (cause) {
    throw new Error(`No phone runs on ${dataFolder}. Start one with npm run phone, or name its folder with --data.`, {
      cause,
    });
  }
  const answer = await fetch(new URL('/happen', control.url), {
    method: 'POST',
    headers: { Accept: 'application/json' },
    body: new URLSearchParams({ token: control.token, what: 'message', from, text }),
    signal: AbortSignal.timeout(10_000),
  }).catch((cause: unknown) => {
    throw new Error(`The phone of ${dataFolder} does not answer. It may have crashed. Start it again.`, {
      cause,
    });
  });
  if (!answer.ok) throw new Error(`The phone refused the message (HTTP ${answer.status}).`);
  return z.object({ id: z.string() }).parse(await answer.json()).id;
}
