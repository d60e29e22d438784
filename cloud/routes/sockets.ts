// WebSockets as routes see them: the host completes the upgrade only after the route, with its guard, accepted it.

export interface Socket {
  /** `sent` runs when the text was flushed or the socket closed. */
  send(text: string, sent?: () => void): void;
  close(code: number, reason: string): void;
  /** Pauses or resumes reading; not every host can. */
  pause?: ((isPaused: boolean) => void) | undefined;
}

/** Handles an accepted socket. */
export interface SocketHandler {
  /** The negotiated subprotocol, if any. */
  readonly protocol?: string;
  open(socket: Socket): SocketListener;
}

export interface SocketListener {
  text(text: string): void;
  closed(): void;
}
