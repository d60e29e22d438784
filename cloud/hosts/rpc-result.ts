// Results and GatewayErrors between the Worker and a home's object: RPC carries plain data and no classes of ours.
import { type Effect, type ErrorCodeName, GatewayError, type PhoneRefusal } from '../../protocol/errors.ts';

/** A GatewayError without its class and its cause. */
export interface RpcFault {
  code: ErrorCodeName;
  detail: string;
  refusal?: PhoneRefusal;
  retryAfterMs?: number;
  effect?: Effect;
}

/** The answer of an operation, or its error. A send answers both: the stored message and why it did not go out. */
export interface RpcResult<Value> {
  value?: Value;
  fault?: RpcFault;
}

/** Other errors than GatewayErrors pass through: the caller's runtime logs them and shows them to nobody. */
export async function toRpcResult<Value>(operation: () => Promise<Value>): Promise<RpcResult<Value>> {
  try {
    const value = await operation();
    const { error, ...rest } = carriesError(value) ? value : { error: undefined };
    return error === undefined ? { value } : { value: rest as Value, fault: faultOf(error) };
  } catch (error) {
    if (error instanceof GatewayError) return { fault: faultOf(error) };
    throw error;
  }
}

/** Throws the fault as the GatewayError that it was, unless it came with a value. */
export function resultValue<Value>({ value, fault }: RpcResult<Value>): Value {
  if (fault === undefined) return value as Value;
  if (value === undefined) throw errorOf(fault);
  return { ...value, error: errorOf(fault) };
}

/** How long a replaced object and its agent take to be back. */
export const returnMs = 2_000;

export function movedError(cause?: unknown): GatewayError {
  const detail = 'The home’s connection is being moved: try again.';
  return new GatewayError('tunnel-lost', detail, { retryAfterMs: returnMs, cause });
}

function carriesError(value: unknown): value is { error: GatewayError } {
  return typeof value === 'object' && value !== null && 'error' in value && value.error instanceof GatewayError;
}

function faultOf({ code, message, refusal, retryAfterMs, effect }: GatewayError): RpcFault {
  return {
    code,
    detail: message,
    ...(refusal !== undefined && { refusal }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(effect !== undefined && { effect }),
  };
}

function errorOf({ code, detail, ...more }: RpcFault): GatewayError {
  return new GatewayError(code, detail, more);
}
