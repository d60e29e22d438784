// The composition root of the dashboard's state: account, current view, and live events.
import { computed, effect, signal, untracked } from '@preact/signals';
import type { HomeEvent, Message, Session } from '../../protocol/model.ts';
import { Api } from './api.ts';
import { Router } from './route.ts';
import { Account } from './state/account.ts';
import { Conversations } from './state/conversations.ts';
import { DeadLetterState } from './state/dead-letters.ts';
import { Deletions } from './state/deletions.ts';
import { Devices } from './state/devices.ts';
import { Drafts } from './state/drafts.ts';
import { FileState } from './state/files.ts';
import { HomeState } from './state/home.ts';
import { LiveEvents } from './state/live-events.ts';
import { Notices } from './state/notices.ts';
import { Reading } from './state/reading.ts';
import { SendState, type Written } from './state/sends.ts';
import { SessionState } from './state/sessions.ts';
import { Shortcuts } from './state/shortcuts.ts';
import { Thread } from './state/thread.ts';
import { Tokens } from './state/tokens.ts';
import { conversationKeyOf, partyName, plainKey } from './text/parties.ts';

export class Dashboard {
  readonly api = new Api(() => this.account.end());
  readonly router = new Router();
  readonly notices = new Notices();
  readonly account = new Account(this.api);
  readonly home = new HomeState(this.api);
  readonly live = new LiveEvents(
    (event) => this.#follow(event),
    () => void this.refresh(),
  );
  readonly conversations = new Conversations(this.api, this.home);
  readonly sessions = new SessionState(this.api, this.home);
  readonly files = new FileState(this.api, this.home);
  readonly deadLetters = new DeadLetterState(this.api, this.home);
  readonly agents = new Tokens(this.api, () => this.home.path('/agents'));
  readonly tokens = new Tokens(this.api, () => '/v1/tokens');
  readonly devices = new Devices(this.api);
  readonly sends = new SendState(
    this.api,
    () => this.home.path('/messages'),
    (message, conversation) => {
      // The recipient was typed: the answer tells which conversation the message belongs to.
      if (this.thread.value?.isOf(conversation)) this.thread.value.learnKey(conversationKeyOf(message));
      this.#put(message);
    },
  );
  readonly deletions = new Deletions(this.api, () => this.home.path('/messages'), {
    onDeleted: (id) => this.#remove(id),
    onFault: (fault) => this.notices.fault('The message was not deleted', fault),
  });
  readonly reading = new Reading(
    this.api,
    () => this.home.path('/messages'),
    (message) => this.#put(message),
  );
  /** The open thread. */
  readonly thread = signal<Thread | undefined>(undefined);
  readonly drafts = new Drafts();
  /** The message whose trace is shown. */
  readonly traced = signal<Message | undefined>(undefined);
  readonly isHelpOpen = signal(false);
  readonly loadFault = signal<unknown>(undefined);

  readonly #openKey = computed(() => {
    const route = this.router.current.value;
    if (route.page === 'messages') return route.conversation;
    return route.page === 'sessions' ? route.session : undefined;
  });
  readonly #homeId = computed(() => this.home.current.value?.id);
  readonly #isSignedIn = computed(() => this.account.state.value.kind === 'signed-in');
  readonly #shortcuts = new Shortcuts({
    next: () => this.#step(1),
    previous: () => this.#step(-1),
    search: () => this.#search(),
    compose: () => this.router.go({ page: 'compose' }),
    back: () => this.router.up(),
    help: () => {
      this.isHelpOpen.value = true;
    },
  });
  #endings: (() => void)[] = [];

  start(): void {
    void this.account.start();
    this.router.start();
    this.#shortcuts.start();
    this.deletions.start();
    this.#endings = [
      effect(() => {
        if (this.#isSignedIn.value) untracked(() => void this.#loadHomes());
      }),
      effect(() => {
        const home = this.#homeId.value;
        if (home === undefined || !this.#isSignedIn.value) return undefined;
        return untracked(() => this.#enter(home));
      }),
      effect(() => {
        const key = this.#openKey.value;
        if (this.#homeId.value !== undefined && this.#isSignedIn.value) untracked(() => this.#open(key));
      }),
      effect(() => {
        const unread = this.#isSignedIn.value ? this.conversations.unread.value : 0;
        document.title = unread > 0 ? `(${unread}) Homeline` : 'Homeline';
      }),
    ];
  }

  stop(): void {
    for (const end of this.#endings.reverse()) end();
    this.deletions.stop();
    this.#shortcuts.stop();
    this.router.stop();
    this.notices.stop();
  }

  /** Reloads everything that is shown. */
  async refresh(): Promise<void> {
    const parts = [
      this.home.refresh(),
      this.conversations.refresh(),
      this.sessions.refresh(),
      this.thread.value?.refresh(),
    ];
    const faults = (await Promise.allSettled(parts)).filter((part) => part.status === 'rejected');
    this.loadFault.value = faults[0]?.reason;
  }

  /** Sends a message; while the home is offline it waits in the cloud. */
  send(to: readonly string[], written: Written, conversation = plainKey(to)): void {
    this.sends.send({
      conversation,
      path: this.home.path('/messages'),
      request: { ...written, to, ifOffline: 'queue' },
      known: this.#knownIds(),
    });
  }

  sendInSession(session: Session, written: Written): void {
    this.sends.send({
      conversation: session.id,
      path: this.home.path(`/sessions/${encodeURIComponent(session.id)}/messages`),
      request: written,
      known: this.#knownIds(),
    });
  }

  /** Cancels a queued send. Its text becomes the draft again, unless there is a newer draft. */
  async cancel(message: Message): Promise<void> {
    await this.api.delete(this.home.path(`/messages/${message.id}`));
    this.#remove(message.id);
    const key = this.#keyOf(message);
    if (this.drafts.get(key) === '') this.drafts.set(key, message.body ?? '');
  }

  /** Sends a message of unknown outcome again as a new message; the user has confirmed that it may arrive twice. */
  sendAgain(message: Message): void {
    const { body, messageClass, phone, sessionId, subject, to } = message;
    const written = { body: body ?? '', messageClass, ...(subject !== null && { subject }) };
    const session = sessionId === null ? undefined : this.sessions.get(sessionId);
    if (session !== undefined) this.sendInSession(session, written);
    else {
      const addresses = to.map((party) => party.address);
      this.send(addresses, { ...written, ...(phone !== null && { phone }) }, this.#keyOf(message));
    }
  }

  /** The key of the message's conversation on this page. */
  #keyOf(message: Message): string {
    const key = conversationKeyOf(message);
    const thread = this.thread.value;
    return thread?.isOf(key) ? thread.key : key;
  }

  #knownIds(): ReadonlySet<string> {
    return new Set(this.thread.value?.messages.value?.map((message) => message.id));
  }

  async #loadHomes(): Promise<void> {
    try {
      await this.home.load();
      this.loadFault.value = undefined;
    } catch (fault) {
      this.loadFault.value = fault;
    }
  }

  /** Opens a home; returns a function that closes it. */
  #enter(home: string): () => void {
    this.live.start(home);
    this.home.start();
    this.sends.start();
    void this.refresh();
    return () => {
      this.live.stop();
      this.home.stop();
      this.reading.stop();
      this.sends.stop();
      this.drafts.stop();
      this.conversations.stop();
      this.sessions.stop();
      this.deadLetters.stop();
      this.traced.value = undefined;
      this.agents.stop();
      this.tokens.stop();
      this.devices.stop();
      this.thread.value = undefined;
    };
  }

  #open(key: string | undefined): void {
    if (this.thread.value?.key === key) return;
    if (key === undefined) {
      this.thread.value = undefined;
      return;
    }
    const isSession = this.router.current.value.page === 'sessions';
    const thread = isSession
      ? new Thread(this.api, key, this.home.path(`/sessions/${encodeURIComponent(key)}/messages`), {})
      : new Thread(this.api, key, this.home.path('/messages'), { conversation: key });
    this.thread.value = thread;
    void thread.refresh();
  }

  #follow(event: HomeEvent): void {
    if (this.home.follow(event)) return;
    switch (event.type) {
      case 'message.received':
        this.notices.announce(`New message from ${partyName(event.data.from)}`);
        this.#put(event.data);
        break;
      case 'message.updated':
      case 'send.updated':
        this.#put(event.data);
        break;
      case 'message.deleted':
        this.#remove(event.data.id);
        break;
      case 'session.updated':
        this.sessions.put(event.data);
        break;
      case 'file.progress':
        this.files.put(event.data);
        break;
    }
  }

  #put(message: Message): void {
    // A message in the phone's Deleted folder is in no conversation.
    if (message.folder === 'Deleted') this.thread.value?.remove(message.id);
    else this.thread.value?.put(message);
    this.#refreshConversations();
  }

  #remove(id: string): void {
    this.thread.value?.remove(id);
    this.#refreshConversations();
  }

  #refreshConversations(): void {
    // Ignore faults here: everything is reloaded when the connection is back.
    this.conversations.refresh().catch(() => undefined);
  }

  #step(by: 1 | -1): void {
    const items = this.conversations.visible.value.filter((item) => item.session === null);
    const open = this.#openKey.value;
    const at = items.findIndex((item) => item.key === open || this.thread.value?.isOf(item.key));
    const item = at < 0 ? items[by > 0 ? 0 : items.length - 1] : items[at + by];
    if (item === undefined) return;
    const route = { page: 'messages', conversation: item.key } as const;
    // Moving along the list with the keyboard must not fill the history: one back step returns to where it began.
    if (at < 0) this.router.go(route);
    else this.router.replace(route);
  }

  #search(): void {
    const field = () => document.querySelector<HTMLInputElement>('input[type=search]');
    // Synchronously if possible: the next key press already belongs to the search text.
    field()?.focus();
    if (field() !== null) return;
    this.router.go({ page: 'messages' });
    requestAnimationFrame(() => field()?.focus());
  }
}
