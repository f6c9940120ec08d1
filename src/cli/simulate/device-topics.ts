/** What a message to a device is. */
type Incoming =
  | { readonly kind: 'command'; readonly commandId: string }
  | { readonly kind: 'cancel'; readonly commandId: string }
  | { readonly kind: 'error' }
  | { readonly kind: 'control' };

/** The topics of one device. `status` and `answer` are null where there are none (foreign topics). */
export interface DeviceTopics {
  readonly telemetry: string;
  readonly subscriptions: readonly string[];
  readonly status: string | null;
  /** Says what came in on `topic`, or null where the device knows no such topic. */
  readonly read: (topic: string) => Incoming | null;
  readonly answer: ((commandId: string) => string) | null;
}

/** The topics of a device that speaks Signalbox's own scheme under `prefix` (contract, section 3). */
export function nativeTopics(prefix: string, deviceId: string): DeviceTopics {
  const down = `${prefix}/${deviceId}/down`;
  const up = `${prefix}/${deviceId}/up`;
  return {
    telemetry: `${up}/telemetry`,
    subscriptions: [`${down}/commands/+`, `${down}/commands/+/cancel`, `${down}/errors`],
    status: `${up}/status`,
    read: (topic) => {
      if (topic === `${down}/errors`) return { kind: 'error' };
      if (!topic.startsWith(`${down}/commands/`)) return null;
      const [commandId = '', cancel] = topic.slice(down.length + '/commands/'.length).split('/');
      return cancel === undefined ? { kind: 'command', commandId } : { kind: 'cancel', commandId };
    },
    answer: (commandId) => `${up}/commands/${commandId}`,
  };
}

/** The topics of a device that was built for something else: those that DEVICE_TOPICS knows from the start. */
export function foreignTopics(deviceId: string): DeviceTopics {
  const control = `poc/${deviceId}/control`;
  return {
    telemetry: `poc/${deviceId}/sensor`,
    subscriptions: [control],
    status: null,
    read: (topic) => (topic === control ? { kind: 'control' } : null),
    answer: null,
  };
}
