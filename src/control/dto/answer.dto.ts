import { Allow } from 'class-validator';
import type { Json } from '../../common/json.js';

/** Body of `POST /v1/device/commands/{id}`: these members and no other. What they may hold is judged as over MQTT (readAnswer). */
export class AnswerDto {
  @Allow()
  readonly status?: Json;

  @Allow()
  readonly progress?: Json;

  @Allow()
  readonly code?: Json;

  @Allow()
  readonly message?: Json;

  @Allow()
  readonly result?: Json;
}
