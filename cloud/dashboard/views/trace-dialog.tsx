// The trace of one message: each hop with its time and reason.
import { useEffect, useState } from 'preact/hooks';
import type { Hop, Message } from '../../../protocol/model.ts';
import { explain } from '../api.ts';
import { hopWords } from '../text/hops.ts';
import { isOwn } from '../text/parties.ts';
import { exactTime, fullTime, withLocalTimes } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { Dialog } from './dialog.tsx';

export function TraceDialog() {
  const { traced } = useDashboard();
  const message = traced.value;
  if (message === undefined) return null;
  return <Trace key={message.id} message={message} />;
}

function Trace({ message }: { message: Message }) {
  const { api, home, traced } = useDashboard();
  const [hops, setHops] = useState<readonly Hop[]>();
  const [fault, setFault] = useState<unknown>();
  useEffect(() => {
    api.get<{ items: Hop[] }>(home.path(`/messages/${message.id}/trace`)).then(({ items }) => setHops(items), setFault);
  }, [api, home, message.id]);
  return (
    <Dialog
      title={isOwn(message) ? 'How it went out' : 'How it came in'}
      onClose={() => {
        traced.value = undefined;
      }}
    >
      {fault !== undefined ? (
        <p role="alert">{explain(fault)}</p>
      ) : hops === undefined ? (
        <p class="hint">Loading…</p>
      ) : hops.length === 0 ? (
        <p class="hint">Nothing is known of its way: it came before the cloud kept it.</p>
      ) : (
        <ol class="hops">
          {hops.map((hop, index) => (
            <li key={`${index} ${hop.hop}`}>
              <time dateTime={hop.time} title={fullTime(hop.time)}>
                {exactTime(hop.time)}
              </time>
              <span>
                {hopWords(hop.hop, isOwn(message))}
                {hop.reason !== undefined && <span class="hint">{withLocalTimes(hop.reason)}</span>}
              </span>
            </li>
          ))}
        </ol>
      )}
      <p class="hint">Each time is by the clock that was there: clocks of phones often differ.</p>
    </Dialog>
  );
}
