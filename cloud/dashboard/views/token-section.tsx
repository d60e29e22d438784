// Tokens of one kind: the list, a form for a new one, and its secret, shown once.
import { useState } from 'preact/hooks';
import { type grants, usualScopes } from '../state/grants.ts';
import type { Token, Tokens } from '../state/tokens.ts';
import { withoutControls } from '../text/plain-names.ts';
import { sinceTime } from '../text/times.ts';
import { SecondThought } from './second-thought.tsx';
import { useTask } from './task.ts';

interface TokenSectionProps {
  tokens: Tokens;
  heading: string;
  explanation: string;
  placeholder: string;
  /** Scopes to choose from; absent for tokens with fixed rights. */
  grants?: typeof grants;
  /** The name of the setting that takes the secret. */
  secretUse?: string;
}

export function TokenSection({
  tokens,
  heading,
  explanation,
  placeholder,
  grants: choices,
  secretUse,
}: TokenSectionProps) {
  const items = tokens.items.value;
  return (
    <section class="card">
      <h2>{heading}</h2>
      <p class="hint">{explanation}</p>
      {items !== undefined && items.length > 0 && (
        <ul class="things">
          {items.map((token) => (
            <TokenLine key={token.id} tokens={tokens} token={token} />
          ))}
        </ul>
      )}
      <Secret tokens={tokens} use={secretUse} />
      <NewTokenForm tokens={tokens} heading={heading} placeholder={placeholder} choices={choices} />
    </section>
  );
}

function TokenLine({ tokens, token }: { tokens: Tokens; token: Token }) {
  const task = useTask();
  return (
    <li class="thing">
      <div>
        <b>
          <bdi>{withoutControls(token.name)}</bdi>
        </b>
        <p class="hint">
          Made {sinceTime(token.createdAt)}
          {rightsOf(token)}
        </p>
      </div>
      <SecondThought
        words="Revoke"
        isBusy={task.isBusy}
        onSure={() => task.run('It was not revoked', () => tokens.revoke(token))}
      />
    </li>
  );
}

function rightsOf(token: Token): string {
  if (token.online !== undefined) return token.online ? ' · connected now' : ' · not connected';
  if (token.kind === 'owner') return ' · the owner’s: everything';
  return token.scopes && token.scopes.length > 0 ? ` · ${token.scopes.join(', ')}` : '';
}

function Secret({ tokens, use }: { tokens: Tokens; use: string | undefined }) {
  const secret = tokens.secret.value;
  const [isCopied, setCopied] = useState(false);
  const task = useTask();
  if (secret === undefined) return null;
  return (
    <div class="secret" role="status">
      <p>
        <b>Copy it now: it is shown this once.</b>
        {use && (
          <>
            {' '}
            Put it into a file that only the agent’s user can read, and name that file to the agent as{' '}
            <code>{use}</code>.
          </>
        )}
      </p>
      <code class="secret-text">{secret}</code>
      <span class="thing-actions">
        <button
          type="button"
          class="button"
          onClick={() =>
            task.run('It could not be copied: select it by hand', async () => {
              await navigator.clipboard.writeText(secret);
              setCopied(true);
            })
          }
        >
          {isCopied ? 'Copied' : 'Copy'}
        </button>
        <button
          type="button"
          class="button quiet"
          onClick={() => {
            tokens.secret.value = undefined;
            setCopied(false);
          }}
        >
          I have it
        </button>
      </span>
    </div>
  );
}

interface NewTokenFormProps {
  tokens: Tokens;
  heading: string;
  placeholder: string;
  choices: typeof grants | undefined;
}

function NewTokenForm({ tokens, heading, placeholder, choices }: NewTokenFormProps) {
  const task = useTask();
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<ReadonlySet<string>>(new Set(usualScopes));
  const create = async () => {
    await tokens.create({ name: name.trim(), ...(choices === undefined ? {} : { scopes: [...scopes] }) });
    setName('');
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        task.run('It was not created', create);
      }}
    >
      <div class="field-row">
        <input
          class="field"
          aria-label={`Name of the new one among ${heading}`}
          placeholder={placeholder}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <button
          type="submit"
          class="button quiet"
          disabled={task.isBusy || name.trim() === '' || (choices !== undefined && scopes.size === 0)}
        >
          Create
        </button>
      </div>
      {choices !== undefined && name.trim() !== '' && (
        <fieldset class="grants">
          <legend>It may</legend>
          {choices.map(({ scope, words }) => (
            <label key={scope}>
              <input
                type="checkbox"
                checked={scopes.has(scope)}
                onChange={(event) => {
                  const next = new Set(scopes);
                  if (event.currentTarget.checked) next.add(scope);
                  else next.delete(scope);
                  setScopes(next);
                }}
              />
              {words}
            </label>
          ))}
        </fieldset>
      )}
    </form>
  );
}
