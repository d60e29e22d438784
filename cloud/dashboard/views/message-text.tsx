// A message's text: never markup, with safe links.
import { useState } from 'preact/hooks';
import { splitLinks } from '../text/links.ts';
import { calm } from '../text/plain-names.ts';
import { splitPortions } from '../text/portions.ts';

/** Portions that each press of “Show more” adds. */
const more = 4;

export function MessageText({ text }: { text: string }) {
  const [shown, setShown] = useState(1);
  const portions = splitPortions(text);
  const left = portions.slice(shown).reduce((sum, portion) => sum + portion.length, 0);
  return (
    <>
      {portions.slice(0, shown).map((portion, index) => (
        <Portion key={`${index} of ${portions.length}`} text={portion} />
      ))}
      {left > 0 && (
        <button type="button" class="link" onClick={() => setShown(shown + more)}>
          Show more ({left.toLocaleString()} characters left)
        </button>
      )}
    </>
  );
}

/** A separate block, so that the layout of one portion does not affect the next. */
function Portion({ text }: { text: string }) {
  return (
    <bdi class="message-text" dir="auto">
      {splitLinks(calm(text)).map((piece, index) =>
        piece.kind === 'text' ? (
          piece.text
        ) : (
          <a key={`${index} ${piece.text}`} href={piece.text} target="_blank" rel="noopener noreferrer nofollow">
            {piece.text}
          </a>
        ),
      )}
    </bdi>
  );
}
