// How many short messages a text becomes: 3GPP TS 23.038 (alphabets) and TS 23.040 §9.2.3.24.1 (concatenation).

const basic = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
const extension = new Set('\f^{}\\[~]|€');

export interface SmsLength {
  alphabet: 'GSM-7' | 'UCS-2';
  segments: number;
  /** Units still free in the last segment: septets or UTF-16 code units. */
  left: number;
}

/** Counts like a phone: a character of two units is never split between segments. */
export function measureSms(text: string): SmsLength {
  const characters = [...text];
  const isGsm = characters.every((character) => basic.has(character) || extension.has(character));
  const alphabet = isGsm ? 'GSM-7' : 'UCS-2';
  const [single, part] = isGsm ? [160, 153] : [70, 67];
  const costs = characters.map((character) => (isGsm ? (extension.has(character) ? 2 : 1) : character.length));
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  if (total <= single) return { alphabet, segments: total === 0 ? 0 : 1, left: single - total };

  let segments = 1;
  let used = 0;
  for (const cost of costs) {
    if (used + cost > part) {
      segments += 1;
      used = 0;
    }
    used += cost;
  }
  return { alphabet, segments, left: part - used };
}
