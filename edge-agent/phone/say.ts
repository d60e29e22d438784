// `npm run phone -- say …`: makes the phone that runs on this data folder receive a message.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { controlFileName } from './control-page.ts';

const controlFile = z.object({ url: z.url(), token: z.string() });

/** Answers the messageId. Throws an Error with the mend where no phone runs on the folder. */
export async function say(dataFolder: string, from: string, text: string): Promise<string> {
  let control: z.infer<typeof controlFile>;
  try {
    control = controlFile.parse(JSON.parse(readFileSync(join(dataFolder, controlFileName), 'utf8')));
  } catch (cause) {
    throw new Error(`No phone runs on ${dataFolder}: start one with npm run phone, or name its folder by --data.`, {
      cause,
    });
  }
  const answer = await fetch(new URL('/happen', control.url), {
    method: 'POST',
    headers: { Accept: 'application/json' },
    body: new URLSearchParams({ token: control.token, what: 'message', from, text }),
    signal: AbortSignal.timeout(10_000),
  }).catch((cause: unknown) => {
    throw new Error(
      `The phone of ${dataFolder} does not answer: it may have ended without tidying up. Start it again.`,
      {
        cause,
      },
    );
  });
  if (!answer.ok) throw new Error(`The phone refused the message (HTTP ${answer.status}).`);
  return z.object({ id: z.string() }).parse(await answer.json()).id;
}
