/** Why a connection to the broker is not there, in words for whoever operates it. */
export interface Trouble {
  /** A fixed word, such as `login`. */
  readonly kind: string;
  readonly msg: string;
  readonly hint: string;
  /** The broker is not there at the moment; else it is, and something about us or about the settings is wrong. */
  readonly isAway?: true;
}

/** The broker ended the connection with a DISCONNECT (MQTT 5, 3.14.2.1). */
export class EndedByBroker extends Error {
  override readonly name = 'EndedByBroker';

  constructor(readonly reasonCode: number) {
    super(`the broker ended the connection with reason 0x${reasonCode.toString(16)}`);
  }
}

/** The broker granted less than what was asked for. */
export class SubscriptionRefused extends Error {
  override readonly name = 'SubscriptionRefused';

  constructor(readonly filters: readonly string[]) {
    super(`the broker refused to subscribe us to ${filters.join(', ')}`);
  }
}

/** The broker's plugin for accounts does not answer our login. */
export class PluginSilent extends Error {
  override readonly name = 'PluginSilent';
}

/** Messages were not committed, and the connection was dropped so that the broker sends them again. */
export class NotCommitted extends Error {
  override readonly name = 'NotCommitted';

  constructor(override readonly cause: Error) {
    super(`messages were not committed (${cause.message}) and will be sent again by the broker`);
  }
}

const LOGIN: Trouble = {
  kind: 'login',
  msg: 'the broker refused our login',
  hint: 'Check MQTT_USERNAME and MQTT_PASSWORD (or MQTT_CERT and MQTT_KEY) against the users of the broker, and that it lets this client id connect.',
};
const AWAY = 'It is tried again by itself.';
const BUSY: Trouble = { kind: 'busy', msg: 'the broker is not available now', hint: AWAY, isAway: true };
const CLIENT_ID: Trouble = {
  kind: 'client_id',
  msg: 'the broker refused our client id',
  hint: 'Ids are <MQTT_SHARE_GROUP>-seat-<n>, <MQTT_SHARE_GROUP>-status and MQTT_CLIENT_ID: choose others, or allow them at the broker.',
};
const TAKEN_OVER: Trouble = {
  kind: 'taken_over',
  msg: 'another client connected with our client id',
  hint: 'That is how a replica takes over from a dead one. If it goes on, a second installation with a database of its own uses the same MQTT_SHARE_GROUP or MQTT_CLIENT_ID: give it another.',
};
const CLOSED: Trouble = {
  kind: 'closed',
  msg: 'the broker closed the connection',
  hint: `${AWAY} If it goes on, its log says why; a second installation that uses the same MQTT_SHARE_GROUP, or a replica with the same MQTT_CLIENT_ID, shows like this too.`,
  isAway: true,
};
const UNREACHABLE_HINT = 'Check MQTT_URL and the network or firewall between.';
const CERTIFICATE: Trouble = {
  kind: 'certificate',
  msg: "the broker's certificate is not trusted",
  hint: 'Set MQTT_CA to the certificate of the authority that signed it, and let MQTT_URL name the host that it was made for.',
};

const BY_REASON = new Map<number, Trouble>([
  [2, CLIENT_ID],
  [3, BUSY],
  [4, LOGIN],
  [5, LOGIN],
  [0x85, CLIENT_ID],
  [0x86, LOGIN],
  [0x87, LOGIN],
  [0x88, BUSY],
  [0x89, BUSY],
  [0x8a, LOGIN],
  [0x8b, BUSY],
  [0x8c, LOGIN],
  [0x8e, TAKEN_OVER],
]);

const BY_CODE: Readonly<Record<string, Trouble>> = {
  ECONNREFUSED: {
    kind: 'refused',
    msg: 'nothing listens where MQTT_URL points to',
    hint: 'Start the broker, or correct MQTT_URL.',
    isAway: true,
  },
  ENOTFOUND: {
    kind: 'host',
    msg: 'the host of MQTT_URL is unknown',
    hint: 'Correct MQTT_URL, or the name service of this machine.',
  },
  EAI_AGAIN: {
    kind: 'host',
    msg: 'the name service does not answer for the host of MQTT_URL',
    hint: 'Check the name service of this machine.',
  },
  EHOSTUNREACH: { kind: 'unreachable', msg: 'the broker cannot be reached', hint: UNREACHABLE_HINT, isAway: true },
  ENETUNREACH: { kind: 'unreachable', msg: 'the broker cannot be reached', hint: UNREACHABLE_HINT, isAway: true },
  ETIMEDOUT: { kind: 'unreachable', msg: 'the broker does not answer', hint: UNREACHABLE_HINT, isAway: true },
  ECONNRESET: CLOSED,
  EPIPE: CLOSED,
};

const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_|CA_|HOSTNAME_MISMATCH/;

/** Says what an error of a connection means; `null` stands for a connection that was closed without one. */
export function troubleOf(error: unknown): Trouble {
  if (error === null) return CLOSED;
  if (error instanceof EndedByBroker)
    return BY_REASON.get(error.reasonCode) ?? { kind: CLOSED.kind, msg: error.message, hint: CLOSED.hint };
  if (error instanceof NotCommitted) {
    return { kind: 'not_committed', msg: error.message, hint: 'The log says above why. It is tried again by itself.' };
  }
  if (error instanceof PluginSilent) {
    return {
      kind: 'accounts',
      msg: "the broker's dynamic-security plugin does not answer us",
      hint: 'Load the plugin at the broker, and give the login MQTT_USERNAME its role admin (docs/operations.md); or set MQTT_DYNSEC=off.',
    };
  }
  if (error instanceof SubscriptionRefused) {
    return {
      kind: 'subscription',
      msg: error.message,
      hint: 'Allow this login to subscribe to them, shared subscriptions ($share) included, with QoS 1.',
    };
  }
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code === 'number') {
    return BY_REASON.get(code) ?? { kind: 'connack', msg: `the broker refused the connection (${code})`, hint: AWAY };
  }
  if (typeof code === 'string') {
    const known = BY_CODE[code];
    if (known) return known;
    // An alert from the other side is about our certificate, not about theirs.
    if (code.startsWith('ERR_SSL') || code === 'EPROTO') return tlsTrouble(code);
    if (UNTRUSTED.test(code)) return { ...CERTIFICATE, msg: `${CERTIFICATE.msg} (${code})` };
  }
  return { kind: 'error', msg: `the connection to the broker failed: ${String(message)}`, hint: UNREACHABLE_HINT };
}

function tlsTrouble(code: string): Trouble {
  return {
    kind: 'tls',
    msg: `the TLS handshake with the broker failed (${code})`,
    hint: 'Check that MQTT_URL names its TLS port, and MQTT_CERT and MQTT_KEY where it asks for a client certificate.',
  };
}

/** What a failed attempt, that never saw a CONNACK, says about the protocol version. */
export function failureOf(error: unknown): 'version' | 'closed' | 'other' {
  if (error === null) return 'closed';
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (code === 1 || code === 0x84) return 'version';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'closed';
  // A CONNACK of 3.1.1 may be too short for a parser of version 5.
  return code === undefined && message !== 'connack timeout' ? 'closed' : 'other';
}
