import type { Value } from './value.ts';

/** Every node knows its offset in the template's text, in UTF-16 units. */
interface At {
  readonly offset: number;
}

export type Node =
  | TextNode
  | ActionNode
  | IfNode
  | WithNode
  | RangeNode
  | TemplateNode
  | BreakNode
  | ContinueNode;

export interface TextNode extends At {
  readonly kind: 'text';
  readonly text: string;
}

/** `{{ pipeline }}` */
export interface ActionNode extends At {
  readonly kind: 'action';
  readonly pipeline: Pipeline;
}

export interface Branch {
  readonly pipeline: Pipeline;
  readonly body: readonly Node[];
}

/** `{{ if }} {{ else if }} {{ else }} {{ end }}` */
export interface IfNode extends At {
  readonly kind: 'if';
  readonly branches: readonly Branch[];
  readonly otherwise: readonly Node[];
}

/** `{{ with }} {{ else with }} {{ else }} {{ end }}`: as `if`, and the value becomes dot. */
export interface WithNode extends At {
  readonly kind: 'with';
  readonly branches: readonly Branch[];
  readonly otherwise: readonly Node[];
}

export interface RangeNode extends At {
  readonly kind: 'range';
  readonly pipeline: Pipeline;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}

/** `{{ template "name" pipeline }}` */
export interface TemplateNode extends At {
  readonly kind: 'template';
  readonly name: string;
  readonly pipeline: Pipeline | undefined;
}

export interface BreakNode extends At {
  readonly kind: 'break';
}

export interface ContinueNode extends At {
  readonly kind: 'continue';
}

/** `$x := a | b c`; the value of each command becomes the last argument of the next. */
export interface Pipeline extends At {
  readonly kind: 'pipeline';
  /** Names with their dollar. Two only for `range $index, $element :=`. */
  readonly variables: readonly string[];
  /** `=` and not `:=`. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** A function or value with its arguments. */
export interface Command extends At {
  readonly first: Operand;
  readonly rest: readonly Operand[];
}

export type Operand =
  | Literal
  | Nil
  | Dot
  | FieldOperand
  | VariableOperand
  | FunctionOperand
  | ChainOperand
  | Pipeline;

export interface Literal extends At {
  readonly kind: 'literal';
  readonly value: Value;
}

export interface Nil extends At {
  readonly kind: 'nil';
}

export interface Dot extends At {
  readonly kind: 'dot';
}

/** `.a.b` */
export interface FieldOperand extends At {
  readonly kind: 'field';
  readonly names: readonly string[];
}

/** `$x.a.b`; the name is with its dollar. */
export interface VariableOperand extends At {
  readonly kind: 'variable';
  readonly name: string;
  readonly names: readonly string[];
}

export interface FunctionOperand extends At {
  readonly kind: 'function';
  readonly name: string;
}

/** `(pipeline).a.b` or `function.a.b` */
export interface ChainOperand extends At {
  readonly kind: 'chain';
  readonly operand: Pipeline | FunctionOperand;
  readonly names: readonly string[];
}

/** A parsed template and those that it defines. */
export interface ParsedTemplate {
  readonly root: readonly Node[];
  readonly definitions: ReadonlyMap<string, readonly Node[]>;
}
