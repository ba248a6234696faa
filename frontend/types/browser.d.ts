/**
 * What the type checker cannot know by itself of Stimulus, forms, events and Django's
 * catalogue. For developers alone: nothing here reaches a browser.
 */
import type { Context, Controller } from "@hotwired/stimulus";

interface Parts {
  element?: Element;
  targets?: Record<string, Element>;
  values?: Record<string, unknown>;
  outlets?: Record<string, Controller>;
  fields?: object;
}

type Targets<T> = { readonly [K in keyof T & string as `${K}Target`]: T[K] }
  & { readonly [K in keyof T & string as `${K}Targets`]: T[K][] }
  & { readonly [K in keyof T & string as `has${Capitalize<K>}Target`]: boolean };

type Values<V> = { [K in keyof V & string as `${K}Value`]: V[K] }
  & { readonly [K in keyof V & string as `has${Capitalize<K>}Value`]: boolean };

type Outlets<O> = { readonly [K in keyof O & string as `${K}Outlet`]: O[K] }
  & { readonly [K in keyof O & string as `${K}Outlets`]: O[K][] };

type ElementOf<P extends Parts> = P["element"] extends Element ? P["element"] : HTMLElement;

declare global {
  /**
   * Stimulus' Controller with the properties it makes of `static targets`, `values` and `outlets`:
   * `class extends (Controller as Typed<{targets: {rank: HTMLInputElement}}>)`. Those are getters,
   * which a class field of the same name would hide. `fields` are the controller's own, filled in
   * initialize(), connect() or by whoever calls first; optional where they may be missing later.
   */
  type Typed<P extends Parts> = Omit<typeof Controller, "prototype"> & (new (context: Context) =>
    Controller<ElementOf<P>> & Targets<P["targets"]> & Values<P["values"]> & Outlets<P["outlets"]> & P["fields"]);

  /** An event as an action gets it: `currentTarget` carries the action, `target` lies in it. */
  type On<Current extends Element, Target extends Element = Element> = Event & {
    readonly currentTarget: Current;
    readonly target: Target;
  };

  /** An element with these `data-` attributes. */
  type WithData<Names extends string, E extends HTMLElement = HTMLElement> = E & {
    readonly dataset: Record<Names, string>;
  };

  /** A form with the fields of these names. */
  type Form<Fields> = HTMLFormElement & { readonly elements: HTMLFormControlsCollection & Fields };

  type Timer = ReturnType<typeof setTimeout>;

  /** Django's JavaScript catalogue; not there in node's tests. */
  var gettext: ((text: string) => string) | undefined;
  var ngettext: ((one: string, many: string, count: number) => string) | undefined;
}
