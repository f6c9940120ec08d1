import { IsNotEmpty } from 'class-validator';
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
}
