/** The console's page. */
import "./app.css";
import "./print.css";
import "./console/console.css";
import { mount } from "svelte";
import Console from "./console/Console.svelte";
import { language } from "./i18n/catalogue.svelte";
import { applyToDocument } from "./preferences.svelte";

applyToDocument(language());
mount(Console, { target: document.getElementById("app")! });
