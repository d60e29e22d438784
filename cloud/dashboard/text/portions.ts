// Splits long texts. A browser's paragraph layout is worse than linear: 100,000 characters of Thai, or of alternating
// directions, take Chromium 10 s in one block and 0.5 s in blocks of 4,000.

const longestPortion = 4_000;
/** How far back to search for a blank, so that words and web addresses stay whole. */
const searchedBack = 2_100;

/** The portions, joined, are the text. */
export function splitPortions(text: string): string[] {
  const portions: string[] = [];
  let from = 0;
  while (text.length - from > longestPortion) {
    const to = from + endOfPortion(text.slice(from, from + longestPortion));
    portions.push(text.slice(from, to));
    from = to;
  }
  portions.push(text.slice(from));
  return portions;
}

/** Splits after the last line end, else after the last blank, else between two characters. */
function endOfPortion(head: string): number {
  const tail = head.slice(-searchedBack);
  const at = Math.max(tail.lastIndexOf('\n'), -1);
  const end = at >= 0 ? at : Math.max(tail.lastIndexOf(' '), tail.lastIndexOf('\t'));
  if (end >= 0) return head.length - tail.length + end + 1;
  const isTorn = /[\ud800-\udbff]$/.test(head);
  return isTorn ? head.length - 1 : head.length;
}
