// The text of a message, as text: never markup, with its web addresses made safe to follow.
import { splitLinks } from '../text/links.ts';

export function MessageText({ text }: { text: string }) {
  return (
    <bdi class="message-text" dir="auto">
      {splitLinks(text).map((piece, index) =>
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
