// The messages by day, newest at the bottom; scrolling up loads older pages.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, explain } from '../api.ts';
import type { Thread } from '../state/thread.ts';
import { threadEntries } from '../state/thread-entries.ts';
import { dayHeading } from '../text/times.ts';
import { MessageBubble, PendingBubble } from './bubble.tsx';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';

/** Scrolled up this far, a button leads back to the newest message. */
const farPx = 300;

export function ThreadView({ thread }: { thread: Thread }) {
  const { deletions, home, notices, reading, router, sends } = useDashboard();
  const scroller = useRef<HTMLDivElement>(null);
  const [isFar, setFar] = useState(false);
  const messages = thread.messages.value;
  const pending = sends.pending.value.filter((send) => send.conversation === thread.key);
  const route = router.current.value;
  const wanted = route.page === 'messages' ? route.message : undefined;
  const isLoaded = messages !== undefined;
  const isOnline = home.current.value?.online === true;

  useEffect(() => {
    const show = () => reading.show(isOnline ? (thread.messages.value ?? []) : []);
    show();
    document.addEventListener('visibilitychange', show);
    return () => document.removeEventListener('visibilitychange', show);
  }, [thread, messages, isOnline, reading]);
  useEffect(() => () => reading.show([]), [reading]);

  useEffect(() => {
    if (wanted === undefined || !isLoaded) return;
    thread
      .reach(wanted)
      .then(() => document.getElementById(wanted)?.scrollIntoView({ block: 'center' }))
      .catch((fault: unknown) => notices.fault('The older messages did not come', fault));
  }, [thread, wanted, isLoaded, notices]);

  if (messages === undefined) {
    const fault = thread.fault.value;
    return (
      <div class="thread-note">
        {fault === undefined ? (
          <p class="hint">Loading…</p>
        ) : (
          <>
            <p role="alert">
              {fault instanceof ApiError && fault.status === 404
                ? 'This conversation is not here (any more).'
                : explain(fault)}
            </p>
            <button type="button" class="button quiet" onClick={() => void thread.refresh()}>
              Try again
            </button>
          </>
        )}
      </div>
    );
  }
  const entries = threadEntries(messages, pending);
  return (
    <div class="thread-frame">
      {/* Laid out from the foot upwards, so that the browser itself keeps the place when older messages come. */}
      <div
        class="thread"
        ref={scroller}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
        tabIndex={0}
        role="log"
        aria-label="Messages"
        aria-live="off"
        onScroll={(event) => setFar(event.currentTarget.scrollTop < -farPx)}
      >
        <ol class="thread-messages">
          {thread.hasOlder.value && <OlderMessages thread={thread} />}
          {entries.length === 0 && <li class="thread-note hint">Nothing has been said here yet.</li>}
          {entries.map((entry) =>
            entry.kind === 'day' ? (
              <li key={entry.key} class="day">
                <time dateTime={entry.time}>{dayHeading(entry.time)}</time>
              </li>
            ) : entry.kind === 'message' ? (
              <MessageBubble
                key={entry.key}
                message={entry.message}
                follows={entry.follows}
                isWanted={entry.message.id === wanted}
                isLeaving={deletions.planned.value.has(entry.message.id)}
              />
            ) : (
              <PendingBubble key={entry.key} send={entry.send} />
            ),
          )}
        </ol>
      </div>
      {isFar && (
        <button type="button" class="to-latest" onClick={() => scroller.current?.scrollTo({ top: 0 })}>
          <Icon name="down" /> Latest
        </button>
      )}
    </div>
  );
}

/** Loads the previous page when it scrolls into view; after a failure, on request. */
function OlderMessages({ thread }: { thread: Thread }) {
  const mark = useRef<HTMLLIElement>(null);
  const [fault, setFault] = useState<unknown>();
  const cursor = thread.next.value;
  const load = useCallback(() => {
    setFault(undefined);
    thread.loadOlder().catch(setFault);
  }, [thread]);
  useEffect(() => {
    const element = mark.current;
    if (element === null) return undefined;
    const observer = new IntersectionObserver(
      (seen) => {
        if (seen.some((entry) => entry.isIntersecting)) load();
      },
      { root: element.closest('.thread'), rootMargin: '400px' },
    );
    observer.observe(element);
    return () => observer.disconnect();
    // After each page the sentinel has moved and may still be visible.
  }, [load, cursor]);
  return (
    <li ref={mark} class="thread-note hint">
      {fault === undefined ? (
        'Loading older messages…'
      ) : (
        <>
          <p role="alert">{explain(fault)}</p>
          <button type="button" class="button quiet" onClick={load}>
            Try again
          </button>
        </>
      )}
    </li>
  );
}
