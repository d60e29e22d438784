// The HTML of the phone's page: no scripts, no external resources; all foreign text is escaped.
import type { Party, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';

export interface PageContent {
  readonly owner: Party;
  readonly token: string;
  readonly messages: readonly PhoneMessage[];
  readonly sessions: readonly PhoneSession[];
  readonly correspondents: readonly Party[];
}

const maxRows = 200;

export function writePage({ owner, token, messages, sessions, correspondents }: PageContent): string {
  const choices = correspondents.map(
    ({ address, displayName }) => `<option value="${escapeHtml(address)}">${escapeHtml(displayName ?? '')}</option>`,
  );
  const messageRows = messages
    .slice(-maxRows)
    .reverse()
    .map((message) =>
      row([
        message.folder,
        message.status,
        message.messageClass,
        nameOf(message.from),
        message.to.map(nameOf).join(', '),
        message.subject === undefined ? message.body : `${message.subject}: ${message.body}`,
        message.time,
      ]),
    );
  const sessionRows = sessions
    .slice(-maxRows)
    .reverse()
    .map((session) =>
      row([
        session.sessionId,
        session.sessionClass,
        session.status,
        session.subject ?? '',
        session.recipients.map((party) => `${nameOf(party)} ${party.state ?? ''}`).join(', '),
      ]),
    );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(nameOf(owner))}</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fafbfc}
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #dde3ea;vertical-align:top;overflow-wrap:anywhere}
form{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0 2rem}input,button{font:inherit;padding:.45rem .7rem;border:1px solid #9aa7b5;border-radius:.4rem}
input[name=text]{flex:1;min-width:16rem}button{background:#1f5fbf;color:#fff;border-color:#1f5fbf;cursor:pointer}label{display:contents}
@media(prefers-color-scheme:dark){body{color:#e7ecf2;background:#14181d}th,td{border-color:#2c3540}input{background:#1d232a;color:inherit}}
</style></head><body><h1>${escapeHtml(nameOf(owner))}</h1><p>A software telephone, ${escapeHtml(owner.address)}. <a href="/">Reload</a></p>
<h2>Simulate an incoming message</h2><form method="post" action="/happen"><input type="hidden" name="token" value="${escapeHtml(token)}">
<input name="from" aria-label="From" placeholder="From" list="known" required><datalist id="known">${choices.join('')}</datalist>
<input name="text" aria-label="Text" placeholder="Text"><button name="what" value="message">Write</button>
<button name="what" value="chat">Offer a chat</button><button name="what" value="ring">Ring</button></form>
<h2>Messages</h2>${table(['Folder', 'Status', 'Class', 'From', 'To', 'Text', 'Time'], messageRows)}
<h2>Sessions</h2>${table(['Session', 'Class', 'Status', 'Subject', 'Takes part'], sessionRows)}</body></html>`;
}

function table(heads: readonly string[], rows: readonly string[]): string {
  if (rows.length === 0) return '<p>None.</p>';
  return `<table><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr>${rows.join('')}</table>`;
}

function row(cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
}

function nameOf(party: Party): string {
  return party.displayName ?? party.address;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
