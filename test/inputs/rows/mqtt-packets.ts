import { type Place, row, type Row, test } from '../support/row.js';

const frames = (title: string, name: string): Place => test('mqtt/frames', 'the frame guard', title, name);
const connect = (title: string, ...name: readonly string[]): Place => test('mqtt/connect', 'CONNECT', title, ...name);

/** The MQTT inputs of inputs-and-faults.md about packets and who sends them, first half of the table in its order, and where each answer is shown. */
export const MQTT_PACKETS: readonly Row[] = [
  row(
    'no CONNECT; another packet first; second CONNECT; reserved flags; QoS 3; 5-byte length; oversized length; packet split at every byte; 1,000 packets in one segment',
    'closed, or handled exactly as whole packets',
    (own) => {
      const first = (name: string) => own('mqtt.wire.embedded', '(%s) closed without a byte, counted', name);
      const afterwards = (name: string) => own('mqtt.wire.embedded', '(%s) closed, counted', name);
      const sends = 'closes a client that sends %s';
      const whole = own(
        'mqtt.wire.embedded',
        '(packet split at every byte, and 1,000 packets in one segment) stored like whole packets',
      );
      const guard = (title: string) => test('mqtt/frames', 'the frame guard', title);
      return {
        'no CONNECT': [
          test('mqtt/flow', 'waiting', 'closes a connection without CONNECT after 10 s, whatever it dribbles'),
        ],
        'another packet first': [
          first('another packet first'),
          first('an HTTP request first'),
          frames('closes a connection that begins with %s', 'SUBSCRIBE'),
        ],
        'second CONNECT': [afterwards('second CONNECT')],
        'reserved flags': [
          first('reserved flags of CONNECT'),
          first('a reserved bit of CONNECT'),
          afterwards('reserved flags'),
          frames(sends, 'PUBREL without its flag'),
          frames(sends, 'PINGREQ with flags'),
        ],
        'QoS 3': [afterwards('QoS 3'), afterwards('a SUBSCRIBE with QoS 3')],
        '5-byte length': [afterwards('5-byte length')],
        'oversized length': [
          afterwards('oversized length'),
          own('mqtt.wire.embedded', '(oversized length of CONNECT) closed on its header, counted'),
          guard('keeps memory flat for a length of 32 MB before CONNECT, however much follows'),
          guard('keeps memory flat for many CONNECTs that announce 256 MB'),
        ],
        'packet split at every byte': [
          whole,
          guard('takes packets that are split at every byte as if they were whole'),
        ],
        '1,000 packets in one segment': [
          whole,
          guard('takes CONNECT and 1,000 packets in one segment, and acknowledges each in order'),
        ],
      };
    },
  ),
  row('MQTT 5 on the embedded broker', 'refused with code 1 and a log line that says what to do', (own) => ({
    all: [
      own('mqtt.wire.embedded', 'CONNACK 1, and a log line that says what to do'),
      connect('answers MQTT 5 with CONNACK 1 and counts it'),
    ],
  })),
  row(
    'empty client id with clean=0 (or with clean=1 when access is required); ids with `/ + #`, NUL, 65,535 bytes, `__proto__`',
    'CONNACK 2 and close',
    (own) => {
      const of = (name: string) => [connect('answers a client id %s with CONNACK 2', name)];
      return {
        'empty with clean=0': [
          connect(
            'answers an empty client id with CONNACK 2 without a clean session, and gives it an id of its own with one',
          ),
        ],
        'empty with clean=1 when access is required': [
          own(
            'mqtt.access.embedded',
            '(empty when access is required) CONNACK 2 and close, although it asks for a clean session',
          ),
          test('mqtt/login', 'A login', 'without a client id is refused with CONNACK 2, whatever session it asks for'),
        ],
        '/': of('with a slash'),
        '+': of('with a plus'),
        '#': of('with a hash'),
        NUL: of('with NUL'),
        '65,535 bytes': of('of 65,535 bytes'),
        __proto__: of('that is __proto__'),
      };
    },
  ),
  row(
    "another device's id; wrong password x 1,000; anonymous when access is required",
    'CONNACK 4/5; the victim stays connected; lock',
    (own) => {
      const of = (...titles: readonly string[]) => own('mqtt.access.embedded', ...titles);
      const lock = (title: string) => test('mqtt/lock-out', 'Failed logins', title);
      return {
        "another device's id": [
          of("(another device's id with one's own credential) CONNACK 5, and the victim stays connected"),
          of('(%s) CONNACK 5 and close', 'an API key with the id of a device'),
        ],
        'wrong password x 1,000': [
          of(
            '(wrong password x 1,000) CONNACK 5 each, the victim stays connected, and its id is locked for that address',
          ),
          test(
            'mqtt/lock-out',
            'A thousand wrong passwords for the id of another device',
            'leave the victim connected, and the process as it was',
          ),
          lock('lock the pair of id and address after five: same answer, same time, also with the right secret'),
          lock('leave no measurable difference in time between an id that exists and one that does not'),
        ],
        anonymous: [
          of('(%s) CONNACK 5 and close', 'anonymous'),
          of('(%s) CONNACK 5 and close', 'anonymous with the id of a device'),
          test('mqtt/access', 'Where clients log in', 'nobody comes in without a login'),
        ],
      };
    },
  ),
  row('will on a foreign topic, `$SYS`, wildcard, QoS 3', 'CONNECT refused', (own) => {
    const of = (name: string) => connect('refuses a will on a topic %s', name);
    return {
      'foreign topic': [
        own('mqtt.access.embedded', '(a will on %s) CONNECT refused, and nothing published', 'another device'),
        test('mqtt/access', 'Where clients log in', 'a device leaves its will on its own up/status, and nowhere else'),
      ],
      $SYS: [of('below $SYS')],
      wildcard: [of('with #'), of('with +')],
      'QoS 3': [connect('refuses a will with QoS 3')],
    };
  }),
  row(
    'PUBLISH to wildcard, empty, long, deep, control-character, `$`-topic, another device, own `down/`',
    'refused, closed, counted, nothing stored',
    (own) => {
      const access = (title: string) => test('mqtt/access', 'Where clients log in', title);
      const foreign = (name: string) =>
        own('mqtt.access.embedded', '(%s) refused, closed, counted, nothing stored, by a device that may not', name);
      const received = (name: string) =>
        own('mqtt.wire.embedded', '(%s) refused, closed, counted, nothing stored, with every QoS', name);
      const unreceived = (name: string) =>
        own(
          'mqtt.wire.embedded',
          '(%s) refused, closed, counted, nothing stored, with every QoS, before it is received',
          name,
        );
      return {
        wildcard: [unreceived('wildcard'), unreceived('wildcard of levels')],
        empty: [unreceived('empty')],
        long: [received('long')],
        deep: [received('deep')],
        'control-character': [
          received('control-character'),
          received('control-character NUL'),
          received('invalid UTF-8'),
        ],
        '$-topic': [received('$SYS'), received('$CONTROL'), received('$share')],
        'another device': [
          foreign('another device'),
          access('a device publishes below its own up/ and on the foreign topics that name it, and nowhere else'),
        ],
        'own down/': [
          foreign('its own down/'),
          access('stores nothing of a publish that is refused, with any QoS and also where it is to be retained'),
        ],
      };
    },
  ),
];
