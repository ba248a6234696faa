/** Starts Stimulus with the controller of a guideline's next version. */
import { Application } from "@hotwired/stimulus";

import GuidelineFormController from "./guideline_form_controller.js";

Application.start().register("guideline-form", GuidelineFormController);
