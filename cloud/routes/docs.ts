// Documentation pages, generated from the OpenAPI document, and one page per error code.
import { html, raw } from 'hono/html';
import { type ErrorCodeName, errorCodes, GatewayError } from '../../protocol/errors.ts';
import { KeptAnswer, type KeptPage } from './kept-answer.ts';
import { type CloudApp, newApp } from './route-kit.ts';

/** What to do about each error code; the titles are in protocol/errors.ts. */
const remedies: Readonly<Record<ErrorCodeName, string>> = {
  'invalid-request': 'Correct the request: `issues` names each invalid field.',
  unauthorized: 'Send “Authorization: Bearer hl_…” with a valid token, or sign in to the dashboard.',
  forbidden: 'Use a token that has the scope and reaches the home. Cookies work only from the cloud’s own pages.',
  'not-found': 'Check that the identifier is right and belongs to this home. Deleted messages do not come back.',
  'method-not-allowed': 'Use one of the methods in the Allow header.',
  conflict: 'Read the object again: its state has changed, or does not allow this yet.',
  'idempotency-conflict': 'Use a new Idempotency-Key for each new request.',
  'too-large': 'Send less at once: a body may have 1 MiB. Pictures and videos are files, not messages.',
  'unsupported-media-type': 'Send JSON, as “Content-Type: application/json”.',
  'too-many-requests': 'Wait for the time in Retry-After, and keep fewer requests open.',
  internal: 'Report it with its requestId. The cloud’s log contains the cause.',
  'store-unavailable': 'Try again. If it persists, check that the data folder is writable and the disk is not full.',
  'home-offline':
    'Check that the agent at home runs and reaches the cloud. Sends with “ifOffline”: “queue” wait for it.',
  'phone-offline': 'Check that the phone is switched on and in the agent’s network.',
  'phone-not-approved': 'Approve the phone in the dashboard: until then nothing of it leaves the home.',
  'phone-unreachable': 'The agent sees the phone, but it does not answer. Nothing was done: try again.',
  'phone-malformed': 'The phone’s answer could not be understood. Report it with the phone’s make and model.',
  'phone-refused': 'See `upnpCode` and `upnpDescription` for the phone’s reason.',
  'outcome-unknown': 'It may or may not have happened. Look at the phone before you try again.',
  'deadline-exceeded': 'No answer came in time. Try again.',
  'tunnel-lost': 'The connection to the home broke off. The agent reconnects by itself: try again.',
  'frame-malformed': 'For authors of agents: the frame does not match protocol/README.md.',
  'frame-too-large': 'The frame is over the limit that `welcome` names.',
  'frame-unknown': 'For authors of agents: this version has no frame of that type.',
  'outcome-pending':
    'It may or may not have happened. Repeat it with its Idempotency-Key: the outcome is looked up, and nothing is done twice.',
  overloaded: 'Many agents are reconnecting. Try again after Retry-After; agents do so by themselves.',
  'protocol-unsupported': 'Update the agent, or the cloud: they have no protocol version in common.',
  'agent-outdated': 'Update the agent at home: the connected one does not support this request.',
  'not-on-phone':
    'The phone no longer has this message, or has another one under its identifier. Nothing was done at the phone. The cloud still has the message: read it or delete it here.',
  'request-timeout': 'Send the request faster: its headers within 10 seconds, its body within a minute.',
  'headers-too-large': 'Send fewer or shorter header fields: together they may have 16 KiB.',
  'expectation-failed': 'Omit the Expect header, or send “Expect: 100-continue”.',
};

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
code { font-family: ui-monospace, monospace }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #8884; padding: .4rem .6rem .4rem 0; text-align: left; vertical-align: top }
`;

interface Operation {
  summary?: string;
  security?: Record<string, string[]>[];
}

interface Described {
  paths?: Record<string, unknown>;
}

/** `describe` generates the OpenAPI document; it and the pages are generated once. */
export function docsRoutes(describe: () => Described): CloudApp {
  const app = newApp();
  const machines = new KeptAnswer(() => ({ body: JSON.stringify(describe()), contentType: 'application/json' }));
  const css = new KeptAnswer(() => ({ body: style, contentType: 'text/css; charset=utf-8' }));
  const overview = new KeptAnswer(() => pageOf('Homeline’s API', overviewOf(describe())));
  const errors = new Map(
    Object.entries(errorCodes).map(([code, { title }]) => [
      code,
      new KeptAnswer(() => pageOf(title, errorOf(code as ErrorCodeName))),
    ]),
  );
  app.get('/openapi.json', (c) => machines.answer(c));
  app.get('/docs/style.css', (c) => css.answer(c));
  app.get('/docs', (c) => overview.answer(c));
  app.get('/docs/errors/:code', (c) => {
    const page = errors.get(c.req.param('code'));
    if (page === undefined) throw new GatewayError('not-found', 'There is no such error code.');
    return page.answer(c);
  });
  return app;
}

function overviewOf({ paths }: Described): Html {
  const rows = Object.entries(paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Operation>).map(([method, { summary, security }]) => {
      const scope = security?.flatMap((way) => Object.values(way).flat())[0] ?? '';
      return html`<tr>
          <td><code>${method.toUpperCase()} ${path}</code></td>
          <td>${summary}</td>
          <td><code>${scope}</code></td>
        </tr>`;
    }),
  );
  const errors = Object.entries(errorCodes).map(
    ([code, { status, title }]) =>
      html`<tr>
          <td><a href="/docs/errors/${code}"><code>${code}</code></a></td>
          <td>${status}</td>
          <td>${title}</td>
        </tr>`,
  );
  return html`<p>
            Send <code>Authorization: Bearer hl_…</code>. For machines: <a href="/openapi.json">openapi.json</a> (OpenAPI
            3.1).
          </p>
          <h2>Routes</h2>
          <table>
            <thead><tr><th>Route</th><th>What it does</th><th>Scope</th></tr></thead>
            <tbody>${rows}</tbody>
          </table>
          <h2>Errors</h2>
          <table>
            <thead><tr><th>Code</th><th>Status</th><th>Meaning</th></tr></thead>
            <tbody>${errors}</tbody>
          </table>`;
}

function errorOf(code: ErrorCodeName): Html {
  return html`<p><code>${code}</code>, HTTP ${errorCodes[code].status}</p>
      <p>${remedies[code]}</p>
      <p><a href="/docs">All routes and errors</a></p>`;
}

type Html = ReturnType<typeof html>;

function pageOf(title: string, content: Html): KeptPage {
  return { body: String(page(title, content)), contentType: 'text/html; charset=UTF-8' };
}

function page(title: string, content: Html) {
  return html`${raw('<!doctype html>')}
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title}</title>
        <link rel="stylesheet" href="/docs/style.css" />
      </head>
      <body>
        <h1>${title}</h1>
        ${content}
      </body>
    </html>`;
}
