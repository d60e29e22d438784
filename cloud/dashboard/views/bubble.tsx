// One message, or one send that the cloud has not accepted yet.
import type { Message } from '../../../protocol/model.ts';
import type { Attachment } from '../../../protocol/phone-model.ts';
import type { PendingSend } from '../state/sends.ts';
import { cutInWords } from '../text/cut-fields.ts';
import { isOwn } from '../text/parties.ts';
import { withoutControls } from '../text/plain-names.ts';
import { fileSize } from '../text/sizes.ts';
import { clockTime, fullTime } from '../text/times.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';
import { MessageText } from './message-text.tsx';
import { PartyName } from './party.tsx';
import { SendStatus } from './send-status.tsx';

interface MessageBubbleProps {
  message: Message;
  follows: boolean;
  isWanted: boolean;
  /** Deleted, and the deletion can still be undone. */
  isLeaving: boolean;
}

export function MessageBubble({ message, follows, isWanted, isLeaving }: MessageBubbleProps) {
  const { deletions, traced } = useDashboard();
  const side = isOwn(message) ? 'own' : 'other';
  if (isLeaving) {
    return (
      <li class="line" data-side={side}>
        <p class="bubble leaving" role="status">
          {message.onPhone ? 'Deleting, on the phone too…' : 'Deleting…'}{' '}
          <button type="button" class="link" onClick={() => deletions.undo(message)}>
            Undo
          </button>
        </p>
      </li>
    );
  }
  return (
    <li class="line" id={message.id} data-side={side} data-follows={follows} data-wanted={isWanted}>
      <div class="bubble" data-state={message.state} data-class={message.messageClass}>
        {side === 'other' && message.sessionId !== null && !follows && (
          <p class="bubble-sender">
            <PartyName party={message.from} />
          </p>
        )}
        {message.subject && (
          <p class="bubble-subject">
            <bdi>{withoutControls(message.subject)}</bdi>
          </p>
        )}
        {message.body === null ? (
          <p class="hint">
            {message.onPhone
              ? 'The text is still on the phone.'
              : 'The phone lost this message before its text was fetched.'}
          </p>
        ) : (
          message.body !== '' && <MessageText text={message.body} />
        )}
        {message.attachments.length > 0 && (
          <ul class="attachments">
            {message.attachments.map((attachment, index) => (
              <AttachmentLine key={`${index} ${attachment.name}`} attachment={attachment} />
            ))}
          </ul>
        )}
        {message.truncated !== undefined && <p class="hint">{cutInWords(message.truncated, message.onPhone)}</p>}
        <p class="bubble-foot">
          {!message.onPhone && message.messageId !== null && (
            <span title="It is kept here. Deleting it here deletes it for good.">No longer on the phone</span>
          )}
          {message.messageClass !== 'SMS' && <span class="bubble-class">{message.messageClass}</span>}
          <time dateTime={message.time} title={fullTime(message.time)}>
            {clockTime(message.time)}
          </time>
          {message.state === 'sent' && (
            <span title="Sent">
              <Icon name="check" />
              <span class="unseen">Sent</span>
            </span>
          )}
        </p>
      </div>
      <button
        type="button"
        class="icon-button bubble-tool"
        aria-label="Show its way"
        title="Each step of its way, with its time"
        onClick={() => {
          traced.value = message;
        }}
      >
        <Icon name="way" />
      </button>
      {message.state !== 'sending' && (
        <button
          type="button"
          class="icon-button bubble-tool"
          aria-label="Delete message"
          title={message.onPhone ? 'Delete, on the phone too' : 'Delete for good'}
          onClick={() => deletions.plan(message)}
        >
          <Icon name="trash" />
        </button>
      )}
      <SendStatus message={message} />
    </li>
  );
}

function AttachmentLine({ attachment }: { attachment: Attachment }) {
  return (
    <li class="attachment">
      <Icon name="clip" />
      <bdi class="attachment-name">{withoutControls(attachment.name) || 'Unnamed file'}</bdi>
      <span class="attachment-kind">
        {withoutControls(attachment.contentType)} · {fileSize(attachment.sizeBytes)}
      </span>
    </li>
  );
}

export function PendingBubble({ send }: { send: PendingSend }) {
  const { sends } = useDashboard();
  return (
    <li class="line" data-side="own">
      <div class="bubble" data-state={send.state}>
        {send.request.subject && (
          <p class="bubble-subject">
            <bdi>{withoutControls(send.request.subject)}</bdi>
          </p>
        )}
        <MessageText text={send.request.body} />
        <p class="bubble-foot">
          <time dateTime={send.startedAt}>{clockTime(send.startedAt)}</time>
        </p>
      </div>
      {send.state === 'sending' ? (
        <p class="send-state">
          <Icon name="clock" /> Sending…
        </p>
      ) : (
        <p class="send-state" data-tone={send.state === 'refused' ? 'fault' : 'warn'} role="alert">
          <Icon name="alert" />{' '}
          {send.state === 'refused'
            ? `Not sent. ${send.fault?.message ?? ''}`
            : 'The cloud has not answered. Trying again is safe: it is never sent twice.'}{' '}
          <button type="button" class="link" onClick={() => sends.retry(send)}>
            Try again
          </button>{' '}
          <button type="button" class="link" onClick={() => sends.discard(send)}>
            Discard
          </button>
        </p>
      )}
    </li>
  );
}
