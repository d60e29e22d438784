// A button for what cannot be undone: it asks once more before it does it.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

export function SecondThought(props: {
  /** What the first button says; the second adds “for good”. */
  words: string;
  isBusy: boolean;
  onSure: () => void;
  /** What stands beside the first button. */
  children?: ComponentChildren;
}) {
  const [isAsked, setAsked] = useState(false);
  return (
    <span class="thing-actions">
      {isAsked ? (
        <>
          <button type="button" class="button quiet" onClick={() => setAsked(false)}>
            Keep
          </button>
          <button type="button" class="button danger" disabled={props.isBusy} onClick={props.onSure}>
            {props.words} for good
          </button>
        </>
      ) : (
        <>
          <button type="button" class="button quiet" disabled={props.isBusy} onClick={() => setAsked(true)}>
            {props.words}
          </button>
          {props.children}
        </>
      )}
    </span>
  );
}
