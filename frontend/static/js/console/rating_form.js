/** Starts Stimulus with the controller of the rating form. */
import { Application } from "@hotwired/stimulus";

import RatingFormController from "./rating_form_controller.js";

Application.start().register("rating-form", RatingFormController);
