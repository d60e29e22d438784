// Describes which fields of a message were truncated.
import type { Truncated } from '../../../protocol/phone-model.ts';

const names: Readonly<Record<Truncated['fields'][number], string>> = {
  from: 'the sender',
  to: 'the list of recipients',
  subject: 'the subject',
  body: 'the text',
  attachments: 'the list of files',
};

/** `Only a part is here: the subject and the text were too long. The phone has the whole message.` */
export function cutInWords({ fields }: Truncated, isOnPhone: boolean): string {
  const said = fields.map((field) => names[field]);
  const last = said.at(-1) ?? '';
  const list = said.length > 1 ? `${said.slice(0, -1).join(', ')} and ${last}` : last;
  const whole = isOnPhone ? ' The phone has the whole message.' : '';
  return `Only a part is here: ${list} ${said.length > 1 ? 'were' : 'was'} too long.${whole}`;
}
