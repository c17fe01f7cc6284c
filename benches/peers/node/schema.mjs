// The JSON Schema of a CloudEvent with the command AdjustPremium.
import Ajv from 'ajv';

const text = { type: 'string', minLength: 1 };

export const validate = new Ajv({ strict: false }).compile({
  type: 'object',
  required: ['specversion', 'id', 'source', 'type', 'subject', 'data'],
  properties: {
    specversion: { const: '1.0' },
    id: { ...text, maxLength: 128 },
    source: text,
    type: { const: 'AdjustPremium' },
    subject: { type: 'string', pattern: '^[A-Za-z0-9._~:@-]{1,64}$' },
    time: text,
    datacontenttype: text,
    data: {
      type: 'object',
      additionalProperties: false,
      required: ['premium'],
      properties: { premium: { type: 'integer', minimum: 1, maximum: 1_000_000_000_000 } },
    },
  },
});

export function valid(event) {
  if (!validate(event)) throw new Error(`invalid: ${JSON.stringify(validate.errors)}`);
  return event;
}
