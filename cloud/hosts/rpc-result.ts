// Results and GatewayErrors between the Worker and a home's object: RPC carries plain data, and no class of ours.
import { type Effect, type ErrorCodeName, GatewayError, type PhoneRefusal } from '../../protocol/errors.ts';

/** A GatewayError without its class and its cause. */
export interface RpcFault {
  code: ErrorCodeName;
  detail: string;
  refusal?: PhoneRefusal;
  retryAfterMs?: number;
  effect?: Effect;
}

/** What an operation answered, or why it did not. A stored send may bring both. */
export interface RpcResult<Value> {
  value?: Value;
  fault?: RpcFault;
}

/** Runs the operation. What is no GatewayError is thrown on: the caller's runtime logs it, and tells nobody else. */
export async function toRpcResult<Value>(operation: () => Promise<Value>): Promise<RpcResult<Value>> {
  try {
    return { value: await operation() };
  } catch (error) {
    if (error instanceof GatewayError) return { fault: faultOf(error) };
    throw error;
  }
}

/** The value, or its fault as the GatewayError that it was. */
export function resultValue<Value>(carried: RpcResult<Value>): Value {
  if (carried.fault !== undefined) throw errorOf(carried.fault);
  return carried.value as Value;
}

export function faultOf({ code, message, refusal, retryAfterMs, effect }: GatewayError): RpcFault {
  return {
    code,
    detail: message,
    ...(refusal !== undefined && { refusal }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(effect !== undefined && { effect }),
  };
}

export function errorOf({ code, detail, ...more }: RpcFault): GatewayError {
  return new GatewayError(code, detail, more);
}
