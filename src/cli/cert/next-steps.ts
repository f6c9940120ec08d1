/** The paths of a certificate and its key. */
export interface PairFiles {
  readonly cert: string;
  readonly key: string;
}

/** What was made, and where it lies. */
export interface MadeFiles {
  readonly directory: string;
  readonly ca: string;
  readonly isNewCa: boolean;
  readonly server: PairFiles;
  readonly madeServer: boolean;
  readonly clients: readonly { readonly id: string; readonly files: PairFiles }[];
}

/** RFC 5280, ub-common-name. */
const MAX_COMMON_NAME = 64;

/** Says what was made, which settings to set, in the form of `.env.local`, and what to try then. */
export function whatToDoNext({ directory, ca, isNewCa, server, madeServer, clients }: MadeFiles): string {
  const devices = clients.map(({ id, files }) => `  ${files.cert}, ${files.key}: the client certificate of ${id}`);
  const long = clients.filter(({ id }) => id.length > MAX_COMMON_NAME);
  const [client] = clients;
  const shown = client ? `--cert ${shell(client.files.cert)} --key ${shell(client.files.key)} ` : '';
  const lines = [
    `Made in ${directory}, for development only:`,
    ...(isNewCa ? [`  ${ca}, ca.key: the CA; whoever has ca.key can be any server and any device`] : []),
    ...(madeServer ? [`  ${server.cert}, ${server.key}: the server certificate`] : []),
    ...devices,
    ...long.map(
      ({ id }) => `The id ${id} is longer than the 64 characters that RFC 5280 allows: some clients refuse it.`,
    ),
    '',
    'Set, in .env.local for example:',
    '',
    `HTTP_TLS_CERT=${quoted(server.cert)}`,
    `HTTP_TLS_KEY=${quoted(server.key)}`,
    'MQTT_TLS_PORT=8883',
    `MQTT_TLS_CERT=${quoted(server.cert)}`,
    `MQTT_TLS_KEY=${quoted(server.key)}`,
    `MQTT_TLS_CA=${quoted(ca)}`,
    '',
    'Then:',
    '',
    `curl --cacert ${shell(ca)} https://localhost:3000/health`,
    `mosquitto_pub -h localhost -p 8883 --cafile ${shell(ca)} ${shown}-q 1 -i ${client?.id ?? 'pump-1'} ` +
      `-t devices/${client?.id ?? 'pump-1'}/up/telemetry -m '{"temperature": 21.5}'`,
    '',
  ];
  return lines.join('\n');
}

/** As a value in a file of settings, which knows three quotes and no escapes. */
function quoted(path: string): string {
  if (/^[\w@%+=:,./-]+$/.test(path)) return path;
  const quote = ["'", '`', '"'].find((mark) => !path.includes(mark)) ?? "'";
  return `${quote}${path}${quote}`;
}

/** As a word of a shell. */
function shell(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
