// A button for an action that cannot be undone: it asks for confirmation.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

export function SecondThought(props: {
  /** The label of the first button; the confirmation adds “for good”. */
  words: string;
  isBusy: boolean;
  onSure: () => void;
  /** Content beside the first button. */
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
