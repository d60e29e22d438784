// WebSockets as routes see them: the host opens one only after the route, its guard included, has accepted it.

export interface Socket {
  /** `sent` runs when the text has left, or the socket is gone. */
  send(text: string, sent?: () => void): void;
  close(code: number, reason: string): void;
  /** Reads nothing more, or again; not every host can. */
  pause?: ((isPaused: boolean) => void) | undefined;
}

/** What becomes of an accepted socket. */
export interface SocketHandler {
  /** The subprotocol to speak, if one was agreed on. */
  readonly protocol?: string;
  open(socket: Socket): SocketListener;
}

export interface SocketListener {
  text(text: string): void;
  closed(): void;
}
