// Sanitises names for display: no characters that reorder text (UAX #9) or break the line, and no longer than a browser
// can lay out quickly.
import { oneLine } from '../../../protocol/text.ts';

// A browser shows `photo\u202Egpj.exe` as photoexe.jpg. Letters keep their script's direction without these controls.
const directionControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** More combining marks than any script uses. Chromium takes over 12 s for one letter with 100,000. */
const tooManyMarks = /(\p{M}{12})\p{M}+/gu;
/** A phone may send 4,096 characters: a list of such names with alternating directions takes the browser seconds. */
const longestName = 300;

/** The text on one line, in its logical order. */
export function plainLine(text: string): string {
  return oneLine(text.replace(directionControls, ''));
}

/** The same, cut to the display length of a name, file name, subject or address. */
export function withoutControls(name: string): string {
  const plain = calm(plainLine(name));
  return plain.length <= longestName
    ? plain
    : `${plain
        .slice(0, longestName)
        .toWellFormed()
        .replace(/\ufffd$/u, '')}…`;
}

/** The text with at most twelve combining marks per letter. */
export function calm(text: string): string {
  return text.replace(tooManyMarks, '$1');
}
