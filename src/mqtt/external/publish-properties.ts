import type { PublishProperties } from '../message.js';

/** The largest value of a Message Expiry Interval. */
const MAX_SECONDS = 0xffff_ffff;

/** As mqtt.js takes them. */
export interface WireProperties {
  readonly contentType: string;
  readonly responseTopic: string;
  readonly correlationData: Buffer;
  /** Whole seconds, at least 1. */
  readonly messageExpiryInterval: number;
}

/** The properties of a publish as they go out [MQTT 5, 3.3.2.3]. */
export function wireProperties(properties: PublishProperties): WireProperties {
  const { contentType, responseTopic, correlationData, messageExpiry } = properties;
  return {
    contentType,
    responseTopic,
    correlationData: Buffer.from(correlationData),
    // Rather a part of a second too early than delivered when it is over; 0 would never be delivered.
    messageExpiryInterval: Math.min(Math.max(1, Math.floor(messageExpiry)), MAX_SECONDS),
  };
}

/** How many bytes they take at most, with the identifiers and lengths. */
export function propertyBytes({ contentType, responseTopic, correlationData }: WireProperties): number {
  // An identifier and two bytes of length each, five bytes for the interval, and up to three more for the length of them all.
  return 3 + Buffer.byteLength(contentType) + 3 + Buffer.byteLength(responseTopic) + 3 + correlationData.length + 5 + 3;
}
