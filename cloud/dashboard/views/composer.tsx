// The composer: class, phone, subject and text, checked against the phone's capabilities.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { MessageClass } from '../../../protocol/phone-model.ts';
import { carriable } from '../../../protocol/text.ts';
import { capabilityFor } from '../state/home.ts';
import type { Written } from '../state/sends.ts';
import { plainLine, withoutControls } from '../text/plain-names.ts';
import { measureSms } from '../text/sms-segments.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';

interface ComposerProps {
  /** The key of the draft. */
  draftKey: string;
  /** The class of the previous message: a reply uses the same one. */
  suggested?: {
    messageClass?: MessageClass | undefined;
    phone?: string | null | undefined;
    subject?: string | null | undefined;
  };
  /** In a session the class and the phone are fixed. */
  isSession?: boolean;
  /** Why nothing can be sent yet. */
  obstacle?: string | undefined;
  takesFocus?: boolean;
  /** The number of recipients. */
  recipients?: number;
  onSend: (written: Written) => void;
}

export function Composer({
  draftKey,
  suggested,
  isSession = false,
  obstacle,
  takesFocus = true,
  recipients = 1,
  onSend,
}: ComposerProps) {
  const { drafts, home } = useDashboard();
  // Pasted text may contain invisible control characters, which no message can carry.
  const body = carriable(drafts.get(draftKey));
  const [subject, setSubject] = useState<string>();
  const [chosenClass, chooseClass] = useState<MessageClass>();
  const [chosenPhone, choosePhone] = useState<string>();
  const [heldHours, holdFor] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);

  const phones = home.approvedPhones.value;
  const phone =
    phones.find((entry) => entry.id === (chosenPhone ?? suggested?.phone)) ??
    phones.find((entry) => entry.online) ??
    phones[0];
  const classes = home.sendableClasses(phone);
  const wanted = chosenClass ?? suggested?.messageClass ?? 'SMS';
  const messageClass = classes.includes(wanted) ? wanted : (classes[0] ?? 'SMS');
  const hasSubject = !isSession && (messageClass === 'e-Mail' || messageClass === 'MMS');
  const subjectText = carriable(subject ?? answerTo(messageClass === 'e-Mail' ? suggested?.subject : undefined));
  const limit = isSession ? undefined : capabilityFor(phone, messageClass);
  const reason = obstacle ?? limitReason(limit, body, recipients);
  const isAway = home.current.value?.online !== true || phone?.online === false;
  const canSend = body.trim() !== '' && reason === undefined;

  useEffect(() => {
    // On a touch screen the keyboard would cover the thread.
    if (takesFocus && matchMedia('(hover: hover)').matches) field.current?.focus({ preventScroll: true });
  }, [takesFocus]);

  const send = () => {
    if (!canSend) return;
    onSend({
      body,
      ...(isSession ? {} : { messageClass }),
      ...(isSession || phone === undefined ? {} : { phone: phone.id }),
      ...(hasSubject && plainLine(subjectText) !== '' ? { subject: plainLine(subjectText) } : {}),
      ...(isAway && heldHours !== '' ? { deliverBy: hoursFromNow(Number(heldHours)) } : {}),
    });
    drafts.set(draftKey, '');
    setSubject(undefined);
    field.current?.focus();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {!isSession && (
        <div class="composer-choices">
          <Choice
            label="Send as"
            value={messageClass}
            options={classes.map((entry) => [entry, entry])}
            onChoose={chooseClass}
          />
          {phones.length > 1 && (
            <Choice
              label="From"
              value={phone?.id ?? ''}
              options={phones.map((entry) => [
                entry.id,
                entry.online ? withoutControls(entry.name) : `${withoutControls(entry.name)} (offline)`,
              ])}
              onChoose={choosePhone}
            />
          )}
          {isAway && <Choice label="Hold it" value={heldHours} options={holdChoices} onChoose={holdFor} />}
          {messageClass === 'SMS' && <SmsCounter text={body} />}
        </div>
      )}
      {hasSubject && (
        <input
          class="field subject"
          aria-label="Subject"
          placeholder="Subject"
          value={subjectText}
          onInput={(event) => setSubject(event.currentTarget.value)}
        />
      )}
      <div class="composer-line">
        <textarea
          ref={field}
          class="field"
          rows={1}
          dir="auto"
          aria-label="Message"
          placeholder={messageClass === 'e-Mail' && !isSession ? 'Write an e-mail' : 'Write a message'}
          value={body}
          onInput={(event) => drafts.set(draftKey, event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        <button type="submit" class="send" aria-label="Send" title={reason ?? 'Send (Enter)'} disabled={!canSend}>
          <Icon name="send" />
        </button>
      </div>
      {phone?.trouble !== undefined && (
        <p class="composer-reason" role="status">
          <bdi>{phone.name}</bdi>: {phone.trouble.detail}
        </p>
      )}
      {reason !== undefined && body.trim() !== '' && (
        <p class="composer-reason" role="alert">
          {reason}
        </p>
      )}
    </form>
  );
}

/** Choices in hours; none means no deadline. */
const holdChoices: [string, string][] = [
  ['', 'until it is back'],
  ['1', 'for an hour'],
  ['4', 'for 4 hours'],
  ['24', 'for a day'],
];

function hoursFromNow(hours: number): string {
  return new Date(Date.now() + hours * 3_600_000).toISOString();
}

function Choice<Value extends string>(props: {
  label: string;
  value: Value;
  options: [Value, string][];
  onChoose: (value: Value) => void;
}) {
  return (
    <label class="choice">
      <span>{props.label}</span>
      <select value={props.value} onChange={(event) => props.onChoose(event.currentTarget.value as Value)}>
        {props.options.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

function SmsCounter({ text }: { text: string }) {
  const { alphabet, segments, left } = measureSms(text);
  if (segments === 0) return null;
  const why = alphabet === 'UCS-2' ? 'A character outside the SMS alphabet makes each message shorter.' : undefined;
  return (
    <output class="counter" title={why}>
      {segments === 1 ? '1 message' : `${segments} messages`} · {left} left
      {alphabet === 'UCS-2' && ' · Unicode'}
    </output>
  );
}

/** Why the phone would refuse the message; a limit of 0 means no limit. */
function limitReason(limit: ReturnType<typeof capabilityFor>, body: string, recipients: number): string | undefined {
  const { maxBodyLength = 0, maxRecipients = 0, messageClass } = limit ?? {};
  if (maxBodyLength > 0 && body.length > maxBodyLength) {
    return `Too long: this phone takes ${maxBodyLength} characters of ${messageClass}, and this has ${body.length}.`;
  }
  if (maxRecipients > 0 && recipients > maxRecipients) {
    return `Too many people: this phone sends ${messageClass} to at most ${maxRecipients}.`;
  }
  return undefined;
}

function answerTo(subject: string | null | undefined): string {
  // A stored subject may contain line breaks, which the cloud refuses in a new one.
  const plain = plainLine(subject ?? '');
  return plain === '' || /^re:/iu.test(plain) ? plain : `Re: ${plain}`;
}
