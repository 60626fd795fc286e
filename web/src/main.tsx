import { render } from "preact";
import { App } from "./parts/app";

render(<App />, document.body);
