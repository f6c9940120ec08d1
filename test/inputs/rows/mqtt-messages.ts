import { type Place, row, type Row, test } from '../support/row.js';

const connect = (title: string, ...name: readonly string[]): Place => test('mqtt/connect', 'CONNECT', title, ...name);
const flow = (title: string): Place => test('mqtt/flow', 'one client and the others', title);

/** The MQTT inputs of inputs-and-faults.md about messages and floods, second half of the table in its order, and where each answer is shown. */
export const MQTT_MESSAGES: readonly Row[] = [
  row(
    'payload empty, not JSON, `null`, `1e999`, deep, `\\u0000`, binary, or with keys `id`, `data`, `pattern`',
    'rejected and acked, or stored whole; never a reply, never an unwrapped `data`',
    (own) => {
      const of = (...names: readonly string[]) =>
        names.map((name) =>
          own(
            'mqtt.payloads',
            '(%s) rejected and acknowledged, kept with its reason, told to the device, and nothing else',
            name,
          ),
        );
      const whole = (name: string) =>
        own('mqtt.payloads', '(with keys %s) stored whole, never unwrapped, never answered', name);
      return {
        empty: [...of('empty'), own('mqtt.payloads', '(on up/%s: %j) rejected and acknowledged', 'events/alarm')],
        'not JSON': of('not JSON', 'not JSON, but almost', 'NaN'),
        null: of('null'),
        '1e999': of('1e999', 'an integer beyond 2^53'),
        deep: of('deep', 'deep, 200,000 brackets', 'deep and truncated'),
        '\\u0000': of('\\u0000', '\\u0000 in a name'),
        binary: of('binary'),
        id: [whole('id')],
        data: [whole('data'), whole('id and data')],
        pattern: [whole('pattern'), whole('pattern, id and data')],
      };
    },
  ),
  row(
    'packet id 0; id reuse in flight; DUP after a lost PUBACK; QoS 2 doubled, PUBREL doubled or unknown, 1,000 half-open',
    'closed / stored once each (after a lost PUBACK: if the reading carries a `ts` or an `id`)',
    (own) => {
      const of = (...titles: readonly string[]) => own('mqtt.delivery.embedded', ...titles);
      const twice = of('(QoS 2 doubled, PUBREL doubled and unknown) stored once');
      const qos2 = (title: string) => test('mqtt/publish', 'PUBLISH', 'with QoS 2', title);
      return {
        'packet id 0': [of('(packet id 0, QoS %i) closed, counted, nothing stored')],
        'id reuse in flight': [of('(id reuse in flight) both stored, both acknowledged')],
        'DUP after a lost PUBACK': [
          of('(DUP after a lost PUBACK, with %s)', 'a ts'),
          of('(DUP after a lost PUBACK, with %s)', 'an id'),
        ],
        'QoS 2 doubled': [
          twice,
          qos2('is handled once although it is sent twice while the handler runs, in one segment and later'),
        ],
        'PUBREL doubled': [twice],
        'PUBREL unknown': [
          twice,
          qos2('answers PUBREL of an unknown id with PUBCOMP, and takes a publish under that id afterwards'),
        ],
        '1,000 half-open': [of('(1,000 half-open) all stored; one more is closed, counted and not stored')],
      };
    },
  ),
  row(
    'SUBSCRIBE `#`, `$SYS/#`, `+/+`, another device, `$share/..`, 8,000 filters, 20,000 over time',
    '0x80 per filter or close; never granted silently',
    (own) => {
      const foreign = (filter: string) => [
        own('mqtt.access.embedded', '(%s) 0x80, and nothing comes by it', filter),
        test(
          'mqtt/access',
          'Where clients log in',
          'a device subscribes below its own down/ and to the foreign topic of its commands, and to nothing else',
        ),
      ];
      const of = (...titles: readonly string[]) => [test('mqtt/subscribe', 'SUBSCRIBE', ...titles)];
      const never = 'of %j is refused with 0x80, or closes, but is never granted';
      return {
        '#': foreign('#'),
        '+/+': foreign('+/+'),
        'another device': foreign('devices/victim/down/#'),
        '$SYS/#': of(never, '$SYS/#'),
        '$share/..': of(never, '$share/g/devices/#'),
        '8,000 filters': of('grants 8 filters of a packet of 8,000'),
        '20,000 over time': of(
          'grants 50 filters to one client however many it asks for over time, and again after it unsubscribed',
        ),
      };
    },
  ),
  row(
    'retained flood; slow reader; flood at 10 x the rate; 5,000 CONNECT/s; half-open TCP',
    'bounded; only the offender feels it',
    (own) => {
      const of = (title: string) => own('mqtt.floods.embedded', title);
      const retained = (title: string) => test('mqtt/retained', 'retained messages', title);
      return {
        'retained flood': [
          of('(retained flood) 16 topics are kept, then closed, counted'),
          retained('are limited for a flood of topics elsewhere too'),
        ],
        'slow reader': [
          of('(slow reader) closed or left without, counted, and a reader beside it gets all'),
          flow('lets a subscriber that never reads hurt only itself'),
        ],
        'flood at 10 x the rate': [
          of('(flood at 10 x the rate) held and lost nothing of, while the neighbour is served'),
          flow('holds a client at its rate after a burst of ten seconds, loses nothing, and leaves others alone'),
        ],
        '5,000 CONNECT/s': [
          of('(5,000 CONNECT/s) each is answered or closed, and nothing stays of them'),
          connect('goes on serving while 2,500 connections say nothing'),
        ],
        'half-open TCP': [
          test(
            'device/presence-broker.embedded',
            'A half-open connection',
            'is found by its keepalive, whose least is 15 s',
          ),
          flow('asks the kernel to look after silent peers every 60 s, for clients without keepalive'),
        ],
      };
    },
  ),
  row(
    'answer for an unknown, foreign, finished command; twice; before SENT; publish on its own `down/`',
    'ignored or kept as late, counted; state only rises',
    () => {
      const answer = (title: string) => test('control/answers', 'An answer', title);
      const bad = (title: string) => test('control/answers', 'A bad answer', title);
      return {
        unknown: [bad('is one to a command that there is not')],
        foreign: [bad("is one to another device's command, which does not hear of it")],
        finished: [
          answer('after the end is kept where it differs, and only the first'),
          answer('to a command of mode none is late, and tells what became of it'),
        ],
        twice: [
          answer('that comes twice changes nothing the second time'),
          test('control/races', 'Two finals in one packet chunk', 'that say the same are one'),
        ],
        'before SENT': [
          answer('that cannot be committed yet is not one, and changes nothing'),
          test(
            'control/races',
            'Two finals in one packet chunk',
            'that come before the broker has told of the publish are not overwritten by that',
          ),
        ],
        counted: [bad('among good ones in one packet chunk costs the others nothing')],
        'on its own down/': [bad('is not what a device publishes on its own down/')],
      };
    },
  ),
  row('plain text on the TLS port, TLS 1.0, foreign client certificate', 'handshake refused', () => {
    const of = (title: string, ...name: readonly string[]) =>
      test('tls/mqtt-tls.embedded', 'MQTT over TLS', title, ...name);
    return {
      'plain text': [
        of('refuses plain text, logs and counts it, and goes on'),
        test('tls/https.embedded', 'HTTPS', 'refuses plain HTTP and other bytes, counts them, and goes on'),
      ],
      'TLS 1.0': [of('refuses %s', 'TLSv1'), test('tls/https.embedded', 'HTTPS', 'refuses %s', 'TLSv1')],
      'foreign client certificate': [
        of('refuses a certificate of another CA, and one that is self-signed, before a byte of MQTT is read'),
        of('refuses a certificate that is not made for clients'),
        test(
          'tls/web-socket.embedded',
          'MQTT over WebSocket with certificates',
          'speaks wss, tells the CN to the login and refuses a foreign certificate and plain text',
        ),
      ],
    };
  }),
];
