// The parts of an agent, each one class, started and stopped in one list (docs/decisions/0015-frames-and-features.md).
import { type FrameHandlers, handleFrame } from '../protocol/frame-handlers.ts';
import type { FeatureFrame, Welcome } from './tunnel/client.ts';

export interface AgentFeature {
  /** Handlers of the cloud's frames. Each type of frame has one handler in the whole list. */
  readonly frames?: Partial<FrameHandlers<FeatureFrame>>;
  /** Undoes itself before it throws. */
  start?(): void | Promise<void>;
  stop?(): void | Promise<void>;
  /** The cloud has welcomed the agent. */
  onWelcome?(welcome: Welcome): void;
  /** The connection is gone. */
  onLost?(): void;
}

type Handled<Feature> = Feature extends { readonly frames: infer Frames } ? keyof Frames : never;
type Unhandled<Features extends readonly AgentFeature[]> = Exclude<FeatureFrame['type'], Handled<Features[number]>>;
/** A list that leaves out a type of frame does not compile, unless it says so. */
type Ignored<Features extends readonly AgentFeature[]> = [Unhandled<Features>] extends [never]
  ? []
  : [ignored: Readonly<Record<Unhandled<Features>, 'ignored'>>];

export class AgentFeatures<const Features extends readonly AgentFeature[] = readonly AgentFeature[]> {
  readonly #features: Features;
  readonly #handlers: FrameHandlers<FeatureFrame>;
  readonly #started: AgentFeature[] = [];
  #starting: Promise<void> = Promise.resolve();
  #isRunning = false;

  /** In the order of their start. @throws Error when two features handle the same type of frame */
  constructor(features: Features, ..._ignored: Ignored<Features>) {
    this.#features = features;
    this.#handlers = handlersOf(features);
  }

  /** Starts one after the other. Where a start fails, the features before it are stopped again. */
  async start(): Promise<void> {
    this.#isRunning = true;
    this.#starting = this.#startAll();
    await this.#starting;
  }

  /**
   * Stops in the reverse order, also a list that is still starting. A feature that fails does not keep the others from
   * stopping.
   * @throws the first failure
   */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#starting.catch(() => undefined);
    const faults = await this.#stopStarted();
    if (faults.length > 0) throw faults[0];
  }

  /** What a handler throws, or rejects with, is the caller's. */
  handle(frame: FeatureFrame): unknown {
    return this.#isRunning && Object.hasOwn(this.#handlers, frame.type)
      ? handleFrame(this.#handlers, frame)
      : undefined;
  }

  onWelcome(welcome: Welcome): void {
    for (const feature of this.#features) feature.onWelcome?.(welcome);
  }

  onLost(): void {
    for (const feature of this.#features) feature.onLost?.();
  }

  async #startAll(): Promise<void> {
    try {
      for (const feature of this.#features) {
        if (!this.#isRunning) return;
        await feature.start?.();
        this.#started.push(feature);
      }
    } catch (error) {
      this.#isRunning = false;
      await this.#stopStarted();
      throw error;
    }
  }

  async #stopStarted(): Promise<unknown[]> {
    const faults: unknown[] = [];
    for (const feature of this.#started.splice(0).reverse()) {
      try {
        await feature.stop?.();
      } catch (error) {
        faults.push(error);
      }
    }
    return faults;
  }
}

function handlersOf(features: readonly AgentFeature[]): FrameHandlers<FeatureFrame> {
  const handlers: Partial<FrameHandlers<FeatureFrame>> = {};
  for (const { frames = {} } of features) {
    for (const type of Object.keys(frames)) {
      if (Object.hasOwn(handlers, type)) throw new Error(`Two features of the agent handle ${type} frames.`);
    }
    Object.assign(handlers, frames);
  }
  // Complete by the type of the list: see Ignored.
  return handlers as FrameHandlers<FeatureFrame>;
}
