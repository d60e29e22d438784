// The last activity in each direction. An open connection alone does not show that messages pass.
import { useEffect, useState } from 'preact/hooks';
import { howLongAgo, sinceTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';

const lookAgainMs = 30_000;
/** The agent probes an idle phone every five minutes; two missed probes are a fault. */
const quietMs = 11 * 60_000;

export function FlowSection() {
  const { home } = useDashboard();
  const [openedMs] = useState(Date.now());
  const [nowMs, setNowMs] = useState(openedMs);
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === 'hidden') return;
      // Ignore faults here: the status bar shows a broken connection.
      home
        .refresh()
        .catch(() => undefined)
        .finally(() => setNowMs(Date.now()));
    };
    look();
    const timer = setInterval(look, lookAgainMs);
    return () => clearInterval(timer);
  }, [home]);

  const current = home.current.value;
  if (current?.flow === undefined || current.since === null) return null;
  const { fromPhones, toPhones } = current.flow;
  const isAble = current.online && current.phones.some((phone) => phone.approved && phone.online);
  const sinceMs = Date.parse(current.since);
  /** Without any activity since the cloud started, count from when the page was opened. */
  const passedMs = (time: string | null) => Math.max(time === null ? openedMs : Date.parse(time), sinceMs);
  const [heardMs, reachedMs] = [passedMs(fromPhones), passedMs(toPhones)];
  const [isMute, isDeaf] = [heardMs, reachedMs].map((passed) => isAble && nowMs - passed > quietMs);
  return (
    <section class="card">
      <h2>When something last passed</h2>
      <dl class="facts">
        <Way words="From a phone" time={fromPhones} nowMs={nowMs} />
        <Way words="To a phone" time={toPhones} nowMs={nowMs} />
      </dl>
      {isMute ? (
        <p class="warning" role="alert">
          The home is online, but nothing has come from its phones for {howLongAgo(heardMs, nowMs)}. Look whether the
          phone still answers; starting the agent anew may help.
        </p>
      ) : isDeaf ? (
        <p class="warning" role="alert">
          Messages come from the phones, but nothing that the cloud asked has got to them for{' '}
          {howLongAgo(reachedMs, nowMs)}. Starting the agent anew may help.
        </p>
      ) : (
        <p class="hint">
          When nobody writes, the agent asks a phone every five minutes and tells the cloud of its answer, and the cloud
          asks one through the agent, so that a way that is blocked does not go unnoticed.
        </p>
      )}
    </section>
  );
}

function Way({ words, time, nowMs }: { words: string; time: string | null; nowMs: number }) {
  return (
    <div>
      <dt>{words}</dt>
      <dd>
        {time === null ? (
          'nothing yet since the cloud started'
        ) : (
          <>
            <time dateTime={time}>{sinceTime(time)}</time>{' '}
            <span class="hint">({howLongAgo(Date.parse(time), nowMs)} ago)</span>
          </>
        )}
      </dd>
    </div>
  );
}
