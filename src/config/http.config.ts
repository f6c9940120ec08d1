import { IsNotEmpty } from 'class-validator';
import { proxyList } from './proxy-list.js';
import { IsPortNumber, Setting, wholeNumber } from './setting.decorator.js';

/** The HTTP listener. */
export class HttpConfig {
  @Setting('HTTP_HOST', '127.0.0.1')
  @IsNotEmpty({ message: 'must be an address or a host name' })
  readonly host!: string;

  /** 0 = any free port. */
  @Setting('HTTP_PORT', '3000', wholeNumber)
  @IsPortNumber()
  readonly port!: number;

  /** Addresses and networks (CIDR) whose forwarding headers are believed. */
  @Setting('TRUST_PROXY', '', proxyList)
  readonly trustProxy!: readonly string[];
}
