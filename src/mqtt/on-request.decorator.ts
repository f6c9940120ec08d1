import { applyDecorators, Catch, type RpcExceptionFilter, UseFilters } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { type Observable, throwError } from 'rxjs';
import type { Principal } from '../common/access.js';
import { type DecodeRequest, decodeStrictly } from './envelope.js';
import { MQTT_TRANSPORT } from './mqtt-transport.js';

/** What is known of a request besides its data. `receivedAt` in epoch milliseconds; `size` is that of the payload in bytes. */
export interface ServiceRequest {
  /** Who asks. */
  readonly caller: Principal;
  readonly topic: string;
  /** Null where no answer is wanted. A stock client of Nest makes a random one for each request. */
  readonly id: string | null;
  /** Whether a broker may deliver this request a second time under the same id: it was published with QoS 1 or 2. */
  readonly mayRepeat: boolean;
  readonly payload: Buffer;
  readonly receivedAt: number;
  /** Numbers the messages of this process from 1; the same when a request is worked on again. */
  readonly arrival: number;
}

export interface OnRequestOptions {
  /** Reads the payload; default: strictly, as the body of an HTTP request. */
  readonly decode?: DecodeRequest;
}

type RequestHandler = (data: never, request: ServiceRequest) => Promise<unknown>;

/** Hands the error of a handler on as it is, so that its code survives (Nest would make it "Internal server error"). */
@Catch()
class RequestFilter implements RpcExceptionFilter {
  catch(exception: unknown): Observable<never> {
    return throwError(() => exception);
  }
}

/**
 * Registers the handler of a request that other services send with Nest's stock ClientMqtt to exactly this topic (below
 * `services/`), where MQTT_SERVICES allows it. It gets the request's data, checked against its DTO class as over HTTP, and
 * with `@Ctx()` the {@link ServiceRequest}; what it returns goes out on `<topic>/reply` as `response`, a coded error that it
 * throws as `err`. Its promise is the acknowledgement. Requests run side by side, a bounded number at once.
 */
export function OnRequest(
  topic: string,
  options: OnRequestOptions = {},
): <H extends RequestHandler>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<H>) => void {
  const { decode = decodeStrictly } = options;
  // oxlint-disable-next-line no-unnecessary-type-arguments -- without it the compiler infers a form that is no decorator
  return applyDecorators(MessagePattern<string>(topic, MQTT_TRANSPORT, { decode }), UseFilters(RequestFilter));
}
