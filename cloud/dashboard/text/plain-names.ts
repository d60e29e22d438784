// Names as they are shown: without the characters that change the order of what is read (UAX #9) or break the line, and
// no longer than a browser can lay out at once.
import { oneLine } from '../../../protocol/text.ts';

// `photo\u202Egpj.exe` is shown as photoexe.jpg. Letters of any script keep their own direction without controls.
const directionControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** More marks than any script sets on a letter. Chromium takes more than 12 s for one letter with 100,000. */
const tooManyMarks = /(\p{M}{12})\p{M}+/gu;
/** A phone may send 4,096: with letters of both directions in turn, a list of those takes the browser seconds. */
const longestName = 300;

/** Text on one line, in the order in which its characters really stand. */
export function plainLine(text: string): string {
  return oneLine(text.replace(directionControls, ''));
}

/** The same, as long as a name, a file's name, a subject or an address is shown. */
export function withoutControls(name: string): string {
  const plain = calm(plainLine(name));
  return plain.length <= longestName
    ? plain
    : `${plain
        .slice(0, longestName)
        .toWellFormed()
        .replace(/\ufffd$/u, '')}…`;
}

/** The text with at most twelve marks on one letter. */
export function calm(text: string): string {
  return text.replace(tooManyMarks, '$1');
}
