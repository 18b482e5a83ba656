/** The API reference's page. */
import "./app.css";
import "./print.css";
import { mount } from "svelte";
import Reference from "./docs/Reference.svelte";
import { language, loadTexts } from "./i18n/catalogue.svelte";
import { applyToDocument } from "./preferences.svelte";

applyToDocument(language());
await loadTexts();
mount(Reference, { target: document.getElementById("app")! });
