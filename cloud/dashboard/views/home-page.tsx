// The home: its agent, phones, tokens and settings.
import { useEffect } from 'preact/hooks';
import { grants } from '../state/grants.ts';
import { withoutControls } from '../text/plain-names.ts';
import { fullTime, sinceTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { DeadLetterSection } from './dead-letter-section.tsx';
import { DeviceSection } from './device-section.tsx';
import { FlowSection } from './flow-section.tsx';
import { PhoneList } from './phone-list.tsx';
import { QuestionSection } from './question-section.tsx';
import { SettingsSection } from './settings-section.tsx';
import { TokenSection } from './token-section.tsx';

export function HomePage() {
  const { agents, home, notices, tokens } = useDashboard();
  const current = home.current.value;
  const homes = home.all.value;
  useEffect(() => {
    Promise.all([agents.refresh(), tokens.refresh()]).catch((fault: unknown) =>
      notices.fault('Agents and tokens cannot be shown', fault),
    );
  }, [agents, tokens, notices, current?.id]);

  if (current === undefined) return null;
  return (
    <div class="page">
      <header class="page-header">
        <h1>
          <bdi>{withoutControls(current.name)}</bdi>
        </h1>
        {homes.length > 1 && (
          <select
            class="field"
            aria-label="Home"
            value={current.id}
            onChange={(event) => home.choose(event.currentTarget.value)}
          >
            {homes.map((entry) => (
              <option key={entry.id} value={entry.id}>
                {withoutControls(entry.name)}
              </option>
            ))}
          </select>
        )}
      </header>
      <p class="presence">
        <i class="dot" data-online={current.online} aria-hidden="true" />
        {current.since === null ? (
          'No agent has ever connected from this home.'
        ) : (
          <span>
            <b>{current.online ? 'Online' : 'Offline'}</b> since{' '}
            <time dateTime={current.since} title={fullTime(current.since)}>
              {sinceTime(current.since)}
            </time>
            {current.agent && (
              <>
                {' '}
                · agent “<bdi>{withoutControls(current.agent.name)}</bdi>”
                {current.agent.version && ` (${current.agent.version})`}
              </>
            )}
          </span>
        )}
      </p>
      {current.trouble !== undefined && (
        <p class="warning" role="alert">
          {current.trouble.detail}
        </p>
      )}
      {!current.online && (
        <p class="hint">
          Messages that are already here can be read; what you send waits. On the home’s network, check that the agent
          runs: <code>npm run agent</code>
        </p>
      )}
      <QuestionSection />
      <DeadLetterSection />
      <FlowSection />
      <PhoneList />
      <SettingsSection />
      <TokenSection
        tokens={agents}
        heading="Agents"
        explanation="The agent runs on the home’s own network and brings its messages here. Each has a token of its own."
        placeholder="Where it runs, e.g. Raspberry Pi"
        secretUse="HOMELINE_AGENT_TOKEN_FILE"
      />
      <TokenSection
        tokens={tokens}
        heading="API tokens"
        explanation="For your own programs. Give each one its own token, with no more rights than it needs."
        placeholder="What it is for, e.g. Doorbell script"
        grants={grants}
      />
      <DeviceSection />
    </div>
  );
}
