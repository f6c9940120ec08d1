import { later, row, type Row, test } from '../support/row.js';

/** The HTTP inputs of inputs-and-faults.md about requests and what they ask for, second half of the table in its order, and where each answer is shown. */
export const HTTP_REQUESTS: readonly Row[] = [
  row('CR LF, ESC, fake JSON in headers and ids', 'one escaped log line', (own) => ({
    headers: [
      own('http.heads', '(%s of a header) 400', 'ESC in a value'),
      own('http.heads', '(a request id of the client) is not taken over'),
    ],
    ids: [
      own('http.heads', '(a path) one escaped line'),
      own('http.heads', '(a device id in a path) one escaped line'),
      own('http.heads', '(a device id in a login) one escaped line'),
      own('http.ids.embedded', '(a client id) CONNACK 2, and one escaped line'),
      own('http.ids.embedded', '(a topic) closed, and one escaped line that shows it'),
      own('http.ids.embedded', '(a filter) 0x80, and one escaped line that shows it'),
      test('process/log', 'A log line', '(%s) %s stays one line, whatever a client sent'),
    ],
  })),
  row('200 headers, 64 KB header, CL+TE, two CL, bare LF', '400/431 and close', (own) => {
    const of = (name: string) => [
      test('http/inputs', 'A bad request', '(%s) is refused and the connection closed', name),
    ];
    const smuggling = (name: string) => own('http.heads', '(%s) 400, and nothing behind it is read as a request', name);
    return {
      '200 headers': of('200 headers'),
      '64 KB header': of('64 KiB of header'),
      'CL+TE': [...of('length and chunks'), smuggling('both, in either order')],
      'two CL': [...of('two lengths'), smuggling('a list of lengths')],
      'bare LF': of('a bare line feed'),
    };
  }),
  row('slow headers, slow body, reader that never reads', 'cut by the timeouts', () => {
    const of = (title: string) => [test('http/slow', 'A slow client', title)];
    return {
      'slow headers': of('that does not finish its headers is answered 408 and closed'),
      'slow body': of('that does not finish its body is closed'),
      'reader that never reads': of('that does not read its answer is cut, and others are served meanwhile'),
    };
  }),
  row('foreign Origin; form POST; foreign Host in open mode', 'no CORS header; 403/415', (own) => ({
    'foreign Origin': [
      own('http.heads', '(a preflight of %s) no CORS header', '/publish'),
      test('http/inputs', 'Open mode', 'sends no CORS header'),
      test('http/inputs', 'Open mode', 'answers a write with %j by %i', 'http://evil.example'),
    ],
    'form POST': [own('http.heads', '(a form of another page as %s) nothing is done', 'text/plain')],
    'foreign Host in open mode': [test('http/inputs', 'Open mode', 'refuses %s: %s with 403', 'evil.example')],
  })),
  row('`Last-Event-ID` of 1 MB, negative, CR LF, unknown', '400, or an explicit `reset` event', () => ({
    all: later('there is no stream yet'),
  })),
  row('Idempotency-Key reused with another body, or concurrently 100 times', '422; one command, one publish', () => {
    const of = (title: string) => test('control/idempotency', 'A create with an Idempotency-Key', title);
    return {
      'another body': [of('is refused with another body, or for another device')],
      '100 times': [
        of('makes one command and one publish of 100 at once'),
        test(
          'services/control',
          'An idempotencyKey',
          'makes one command and one publish of 100 requests at once, and of two replicas',
        ),
      ],
    };
  }),
  row(
    'command to unknown (registration closed) / pending or disabled / offline device; ttl 0 or 10 years; 1 MB params; 10,000 commands to one device',
    '404 / 409 / 202 or 409 by `offline` / 400 / 413 / 429',
    (own) => {
      const refused = (title: string) => [own('http.registry', title)];
      const bad = (ttl: string) =>
        test(
          'control/create',
          'A command that is asked for',
          'is refused with a bad %s (%#), with a pointer to it',
          ttl,
        );
      return {
        'unknown, registration closed': refused('(unknown, registration closed) 404, nothing kept, nothing sent'),
        pending: refused('(pending) 409, nothing kept, nothing sent'),
        disabled: refused('(disabled) 409, nothing kept, nothing sent'),
        offline: [
          test(
            'control/offline-fail',
            'A command with offline: fail',
            'is refused for a device that has gone, with the time when it was last seen',
          ),
          test(
            'control/offline-fail',
            'A command with offline: queue',
            'is kept for a device that has gone, and never sent when nobody came in time',
          ),
        ],
        'ttl 0': [bad('0')],
        'ttl of 10 years': [bad('315_360_000_000')],
        '1 MB params': [
          test(
            'control/create',
            'A command that is asked for',
            'is refused as too large with %i bytes of params',
            '1_000_000',
          ),
        ],
        '10,000 commands': [
          test(
            'control/create',
            'A device with a full queue',
            'has exactly 100 open commands of 10,000 that were asked for at once; the others are told to come back',
          ),
        ],
      };
    },
  ),
  row(
    'request in open mode with forwarding headers, foreign Host or Origin, form or text body; WebSocket upgrade with a foreign Origin',
    '403 / 415',
    () => {
      const of = (title: string, name: string) => [test('http/inputs', 'Open mode', title, name)];
      const upgrade = (title: string, name: string) =>
        test('tls/upgrade.embedded', 'An upgrade to a WebSocket', title, name);
      const body = (type: string) => test('http/inputs', 'A bad body', 'as %s %j is answered 415', type);
      return {
        'forwarding headers': of('refuses %s: %s with 403', 'x-forwarded-for'),
        'foreign Host': of('refuses %s: %s with 403', 'localhost.evil.example'),
        'foreign Origin': of('answers a write with %j by %i', 'cross-site'),
        'form or text body': [body('application/x-www-form-urlencoded'), body('text/plain')],
        'WebSocket upgrade': [
          upgrade('is refused from %s with 403', 'another origin'),
          upgrade('is refused in open mode with %s with 403', 'another host name'),
          upgrade('is refused in open mode with %s with 403', 'a forwarding header'),
          test(
            'tls/https.embedded',
            'An upgrade on the HTTP port',
            'to a WebSocket is refused with a problem document, from whatever page',
          ),
        ],
      };
    },
  ),
  row('`POST /publish` to `$CONTROL/..`, `devices/x/down/..`, `services/..`', '400, 403 without `admin`', () => ({
    $CONTROL: [test('http/simple-routes', 'POST /publish', 'refuses %s with 400', 'a $-topic')],
    'devices/x/down and services': [
      test(
        'access/tags-rest',
        'POST /publish in required mode',
        'speaks for devices and services with admin only, and for the broker never',
      ),
    ],
  })),
  row('one bad item in a batch of 1,000', 'per-item verdict, the good ones stored', (own) => ({
    'over HTTP': [own('http.limits', '(over HTTP) a verdict for that one, the good ones stored')],
    'over MQTT': [own('http.limits', '(over MQTT) acknowledged, the good ones stored, and the device told of the one')],
    'of another service': [
      test(
        'services/record',
        'services/sensor/record',
        'judges each reading of an array alone, and keeps those that can never be stored',
      ),
    ],
  })),
];
