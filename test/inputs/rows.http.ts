import { later, row, type Row, test } from './support/row.js';

const KEYS = 'API keys are not there yet';

/** The HTTP inputs of inputs-and-faults.md, in the order of that page, and where the answer to each item is shown. */
export const HTTP_ROWS: readonly Row[] = [
  row(
    'malformed, truncated, deeply nested (200,000 `[`), duplicate-key, `NaN`, `1e999`, invalid UTF-8, lone surrogate, `\\u0000` JSON',
    '400 (duplicate keys: last wins)',
    (own) => {
      const of = (name: string, ...more: readonly string[]) => [
        own('http.bodies', 'POST %s', '(%s) 400', name),
        ...more.map((title) => own('http.bodies', title, name)),
      ];
      const unreadable = '(%s, telemetry) 400';
      const judged = '(%s, telemetry) a verdict, and nothing stored';
      return {
        malformed: of('malformed', unreadable),
        truncated: of('truncated', unreadable),
        'deeply nested': [...of('deeply nested', judged), ...of('deeply nested and truncated', unreadable)],
        'duplicate-key': [own('http.bodies', '(duplicate-key) the last wins')],
        NaN: of('NaN', unreadable),
        '1e999': of('1e999', judged),
        'invalid UTF-8': of('invalid UTF-8', unreadable),
        'lone surrogate': of('a lone surrogate', judged),
        '\\u0000': of('\\u0000', judged),
      };
    },
  ),
  row(
    '`__proto__` anywhere, unknown fields',
    '400; no object is polluted; `constructor` is an ordinary key in params and telemetry',
    (own) => ({
      '__proto__ at the top': [
        own('http.fields', '(__proto__ at the top, %s) 400'),
        own('http.fields', '(an escaped __proto__, %s) 400'),
      ],
      '__proto__ deep inside': [own('http.fields', '(__proto__ deep inside, %s) 400')],
      '__proto__ in telemetry': [
        own('http.fields', '(%s, telemetry) a verdict, and nothing stored', '__proto__ in an array'),
      ],
      'unknown fields': [
        own('http.fields', '(an unknown field, %s) 400'),
        own('http.fields', '(a name that every object inherits as an unknown field, %s) 400'),
        own('http.fields', '(%s, telemetry) a verdict, and nothing stored', 'an unknown field'),
      ],
      'no object is polluted': [own('http.fields', '(no object is polluted) whatever route or topic it comes by')],
      'constructor in params': [
        own('http.fields', '(constructor in params) is an ordinary key, all the way to the device'),
      ],
      'constructor in telemetry': [
        own('http.fields', '(constructor in telemetry) is an ordinary metric, over HTTP and MQTT'),
      ],
    }),
  ),
  row('body over the limit, chunked without end, gzip bomb', '413 or 415, early', (own) => ({
    'over the limit': [
      own('http.limits', '(over the limit, %s) 413'),
      own('http.limits', '(10 GB announced, %s) 413 before any of it is sent'),
      test(
        'sensor/http-device',
        'POST /v1/device/telemetry',
        'refuses more than 256 KiB with 413, and more than 1 MiB too',
      ),
    ],
    'chunked without end': [
      own('http.limits', '(chunked without end, %s) 413 as soon as it is over the limit'),
      own(
        'http.limits',
        '(chunked without end, by a client that does not stop) counted and closed, and no more than a few MiB are taken',
      ),
    ],
    'gzip bomb': [own('http.limits', '(a bomb with %s) 415 on its head alone', 'gzip')],
  })),
  row('wrong content type or charset', '415', (own) => ({
    'content type': [own('http.limits', '(each of them, %s) 415'), own('http.limits', '(none at all, %s) 415')],
    charset: [
      own('http.limits', '(each of them, %s) 415'),
      test('http/inputs', 'A bad body', 'as %s %j is answered 415', 'application/json; charset=utf-16'),
    ],
  })),
  row(
    "another key's device; missing scope; HEAD, `//`, trailing slash, encoded variants of a protected route",
    '404 or 403, the same for every variant',
    () => ({ all: later(KEYS) }),
  ),
  row(
    'wrong key by first or last byte; expired, revoked; JWT `alg: none`, HS256 signed with the public key, wrong `iss`/`aud`, 10 KB token',
    '401, no measurable time difference, same body',
    () => ({ all: later(KEYS) }),
  ),
  row(
    '`limit=1e9`, `-1`, `0x10`; tampered cursor; `from > to`; year 300000; 1 ms bucket over a year',
    '400 with the pointer',
    (own) => ({
      limit: [
        own('http.queries', '(limit, %s) 400 with the parameter'),
        test('http/simple-routes', 'GET /sensors', 'refuses limit=%s', '0x10'),
      ],
      'tampered cursor': [
        own('http.queries', '(tampered cursor, %s) 400 with the parameter, at whatever place'),
        test('control/list', 'GET /v1/commands', 'refuses a cursor with other filters, or one that was tampered with'),
      ],
      'from > to': [own('http.queries', '(from > to, %s) 400 with the parameter')],
      'year 300000': [own('http.queries', '(year 300000, %s) 400 with the parameter')],
      '1 ms bucket over a year': later('there is no GET /v1/telemetry/query yet'),
    }),
  ),
  row('SQL in sort, metrics, filters; regex bombs in search', '400 or literal match', (own) => ({
    sort: [own('http.queries', '(sort, metrics and other parameters that there are not, %s) 400')],
    metrics: [
      own('http.queries', '(as values and names of metrics) are stored as they are'),
      test('services/sensor', 'services/sensor/history', 'refuses %j', '/metrics'),
    ],
    filters: [
      own('http.queries', '(filters that are names) 400'),
      own('http.queries', '(filters of topics) match what they say and nothing else'),
    ],
    'regex bombs': [
      own('http.queries', '(filters that are names) 400'),
      own('http.queries', '(a filter of topics that makes work) is answered at once'),
    ],
    'search in the list of devices': later('there is no GET /v1/devices?q yet'),
  })),
  row('CSV cell starting `= + - @` TAB CR', "prefixed with `'`, RFC 4180 quoting, `attachment`, nosniff", () => ({
    all: later('there is no export yet'),
  })),
  row(
    'webhook URL to loopback, private, link-local, metadata, IPv6-mapped, octal, redirecting or rebinding host, `file:`',
    '400 at creation and refused again at delivery',
    () => ({ all: later('there are no webhooks yet') }),
  ),
  row('`/..%2f..%2fetc/passwd`, `%5c`, NUL in static paths', '404', (own) => {
    const of = (path: string) => [own('http.queries', '(%s) 404, and the same for HEAD', path)];
    return {
      '/..%2f..%2fetc/passwd': of('/..%2f..%2fetc/passwd'),
      '%5c': of('/..%5c..%5cetc%5cpasswd'),
      NUL: of('/index.html%00.js'),
      'files of the dashboard': later('no file is served yet'),
    };
  }),
  row('markup in device names shown in the dashboard', 'shown as text; CSP without inline', () => ({
    all: later('there is no dashboard yet'),
  })),
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
    () => {
      const bad = (ttl: string) =>
        test(
          'control/create',
          'A command that is asked for',
          'is refused with a bad %s (%#), with a pointer to it',
          ttl,
        );
      return {
        'unknown, pending and disabled': later('the registry of devices is not there yet'),
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
      const body = (type: string) => test('http/inputs', 'A bad body', 'as %s %j is answered 415', type);
      return {
        'forwarding headers': of('refuses %s: %s with 403', 'x-forwarded-for'),
        'foreign Host': of('refuses %s: %s with 403', 'localhost.evil.example'),
        'foreign Origin': of('answers a write with %j by %i', 'cross-site'),
        'form or text body': [body('application/x-www-form-urlencoded'), body('text/plain')],
        'WebSocket upgrade': later('WebSocket listeners are not there yet'),
      };
    },
  ),
  row('`POST /publish` to `$CONTROL/..`, `devices/x/down/..`, `services/..`', '400, 403 without `admin`', () => ({
    $CONTROL: [test('http/simple-routes', 'POST /publish', 'refuses %s with 400', 'a $-topic')],
    'devices/x/down and services': later(KEYS),
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
