# French. Not reviewed by a speaker with a clinical background.

decimal-sign = ,
percent = { $number } %
date = { $day } { $month ->
    [1] janv.
    [2] févr.
    [3] mars
    [4] avr.
    [5] mai
    [6] juin
    [7] juil.
    [8] août
    [9] sept.
    [10] oct.
    [11] nov.
   *[12] déc.
} { $year }
moment = { $day } { $month ->
    [1] janv.
    [2] févr.
    [3] mars
    [4] avr.
    [5] mai
    [6] juin
    [7] juil.
    [8] août
    [9] sept.
    [10] oct.
    [11] nov.
   *[12] déc.
} { $year }, { $time } UTC

# On every page
research-only = Recherche uniquement : pas un diagnostic
clock-not-trusted = La date peut être fausse
back = Retour
close = Fermer
lock = Verrouiller
cancel = Annuler

# The keyboard
key-space = Espace
key-erase = Effacer
key-shift = Aa
key-more = Plus
key-done = Fini

# Lock
lock-title = Qui êtes-vous ?
lock-role = Choisissez votre rôle
lock-pin = PIN : { $role }
lock-starting = L'appareil démarre
lock-trying = Vérification du PIN
role-operator = Opérateur
role-reviewer = Relecteur
role-administrator = Administrateur

# Why something was not done
denied-refused = À ne pas faire avec ces données
denied-usage = Impossible pour l'instant
denied-unreadable = Lecture impossible
denied-internal = L'appareil n'a pas pu le faire
denied-not-ready = L'appareil n'est pas prêt pour cela
denied-configuration = L'appareil n'est pas réglé pour cela
denied-pin-wrong = PIN incorrect
denied-pin-wait = Trop de PIN incorrects : attendez
denied-role = Votre rôle ne le permet pas
denied-login = Connectez-vous d'abord

# Home
home-cases = Cas
home-no-cases = Aucun cas aujourd'hui
home-new = Nouveau cas
home-settings = Réglages
home-device = Appareil
home-control-case = Cas de contrôle
progress-draft = en préparation
progress-queued = en attente
progress-assessed = résultat
progress-refused = refusé
progress-set-aside = mis de côté
progress-reviewed = relu
progress-exported = exporté
part-camera = Caméra
part-share = Partage TDM
part-storage = Stockage
part-temperature = Température
part-clock = Horloge
part-control = Cas de contrôle
part-networks = Réseaux IA
part-well = OK
part-none = néant
part-gone = introuvable
part-full = plein
part-warm = élevée
part-hot = excessive
part-unknown = inconnu
part-not-trusted = peut être fausse
part-overdue = en retard
part-instead = moteur de secours
part-failed = échec
part-loading = chargement
part-never = pas encore fait

# A new case
form-title = Nouveau cas
form-first = Premier identifiant
form-second = Second identifiant
form-age = Âge en années
form-sex = Sexe
form-smoking = Tabac
form-specimen = Prélèvement
form-required = requis
form-unknown = inconnu
form-open = Ouvrir le cas
form-female = femme
form-male = homme
form-never = jamais
form-former = arrêté
form-current = actuel
form-biopsy = biopsie
form-cytology = cytologie
form-resection = résection
form-age-wrong = L'âge va de 0 à 120
form-same = Les deux identifiants sont identiques
form-long = 64 caractères au plus
form-unshown = Un caractère ne peut pas être affiché
form-other-second = Cas { $cases } : même premier identifiant, mais second différent. C'est peut-être un autre patient. Vérifiez les deux.
form-same-patient = C'est le même patient

# A case before it is handed over
draft-submit = Faire évaluer
draft-empty = Il faut d'abord une TDM ou un champ
draft-earlier = Cas antérieurs de ce patient : { $cases }
draft-no-ct = Pas encore de TDM
draft-no-lesion = Il y a une TDM. Aucune lésion marquée : l'appareil en choisirait une
draft-ct = Il y a une TDM avec une lésion marquée
draft-to-share = Choisir la TDM
draft-to-ct = Marquer la lésion
draft-other-ct = Autre TDM
draft-fields = { $count ->
    [0] Pas encore de champ
    [one] Un champ a été pris
   *[other] { $count } champs ont été pris
}
draft-to-microscope = Aller au microscope

# The CT
ct-looking = Recherche dans le dossier partagé
ct-reading = Lecture de la TDM
ct-none = Aucune TDM dans le dossier partagé
ct-none-of-patient = Aucune TDM en attente n'a l'identifiant de ce patient. Il y en a d'autres :
ct-choose = Choisissez la TDM. Comparez l'identifiant.
ct-slices = { $count ->
    [one] { $count } coupe
   *[other] { $count } coupes
}
ct-other-id = Cette TDM porte l'ID patient { $found }. Le cas est celui de { $case }. C'est peut-être la TDM d'un autre patient.
ct-same-patient = TDM du même patient
ct-axial = Axial
ct-coronal = Coronal
ct-sagittal = Sagittal
ct-axial-slice = Coupe axiale { $number } sur { $count }
ct-coronal-slice = Coupe coronale { $number } sur { $count }
ct-sagittal-slice = Coupe sagittale { $number } sur { $count }
ct-lung = Poumon
ct-mediastinum = Médiast.
ct-next-candidate = Proposer
ct-set-lesion = Placer la lésion ici
ct-no-id = sans identifiant

# The microscope
microscope-no-camera = La caméra ne donne pas d'image
camera-busy = Un autre programme utilise la caméra
camera-hangs = La caméra ne répond plus : débranchez-la et rebranchez-la
camera-format = Cette caméra ne donne pas d'images lisibles
camera-large = Les images de la caméra sont trop grandes : choisissez une taille plus petite
microscope-preview = Aperçu : rien n'est gardé tant que vous ne prenez pas un champ
microscope-preview-heat = Aperçu avec les zones que le réseau regarde : rien n'est gardé
microscope-heat = Où il regarde
microscope-take = Prendre ce champ
microscope-auto = Auto
microscope-objective = Objectif { $name }
microscope-count = { $count ->
    [one] { $count } champ
   *[other] { $count } champs
} ; mieux avec { $left } de plus
microscope-enough = { $count } champs : cela suffit
microscope-drop = Retirer le champ { $number }
live-good = Net, avec du tissu : prenez-le
live-blurred = Tournez la vis micrométrique
live-no-tissue = Allez sur du tissu
live-dark = Augmentez la lumière
live-bright = Baissez la lumière
live-no-colour = Pas de couleur : vérifiez la coloration et la caméra
live-no-scale = Échelle inconnue : étalonnez l'objectif
live-checking = Vérification de l'image
live-not-he = Ce n'est pas du tissu coloré : regardez ce qui est sous la caméra
live-swapped = Le rouge et le bleu sont échangés : vérifiez le format de la caméra
live-moving = Ne bougez plus la lame
live-taken = Cet endroit a été pris : avancez
live-stain = Coloration inhabituelle : vérifiez la lame et la balance des blancs
live-pen = Il y a peut-être de l'encre : éloignez-vous
live-fold = Le tissu est peut-être plié : éloignez-vous du pli
live-bubble = Il y a peut-être une bulle d'air : éloignez-vous
live-warm = L'appareil est chaud : le réseau regarde moins souvent
live-hot = L'appareil est trop chaud : le réseau ne regarde pas
live-power = Alimentation faible : le réseau regarde moins souvent

# A case that waits
processing-title = Évaluation du cas en cours
processing-time = { $seconds } s écoulées ; en général { $usual } s
processing-time-alone = { $seconds } s écoulées
processing-cancel = Arrêter et revenir à la préparation
step-queue = En file d'attente
step-queue-before = { $count ->
    [0] Prochain dans la file
    [one] Un cas passe avant
   *[other] { $count } cas passent avant
}
step-reading = Lecture et contrôle des images
step-ct = Recherche et score sur la TDM
step-fields = Score des champs
step-explaining = Pondération des deux, et affichage des zones regardées

# Before the result
first-title = Que voyez-vous sur les images ? Dites-le avant l'affichage du résultat.
first-cannot-say = Je ne sais pas
first-reveal = Garder, et afficher le résultat
first-no-image = Il n'y a pas d'image
picture-next = Image { $number } sur { $count }

# A result. "Normal" is never said alone: see result-normal.
result-favours = Éléments en faveur de : { $class } ({ $share })
result-normal = Pas d'aspect tumoral sur ces images ({ $share }) ; n'exclut pas un cancer
result-figures = Chiffres
result-weights = Poids
result-looked = Où il a regardé
result-limits = Limites ({ $count })
result-opinion = Votre avis
result-export = Exporter
result-weakened = { $count ->
    [0] Aucune limite connue
    [one] Un point affaiblit ce résultat : lisez-le
   *[other] { $count } points affaiblissent ce résultat : lisez-les
}
result-disagree = { $count ->
    [one] TDM et H&E en désaccord : lisez les limites
   *[other] TDM et H&E en désaccord, et d'autres points affaiblissent ce résultat ({ $count }) : lisez les limites
}
class-adenocarcinoma = adénocarcinome
class-squamous = carcinome épidermoïde
class-large-cell = carcinome à grandes cellules
class-nsclc-nos = CBNPC-NOS, aspect à grandes cellules
class-small-cell = carcinome à petites cellules
class-normal = pas d'aspect tumoral
branch-fused = les deux
branch-ct = TDM
branch-he = H&E
weights = La TDM compte pour { $ct }, la lame pour { $he }
weights-compared = Avec l'âge, le sexe et le tabac, la TDM compte pour { $ct } et la lame pour { $he } ; sans eux, la TDM compterait pour { $without }
weights-ct-alone = Pas de lame : seule la TDM a été lue
weights-he-alone = Pas de TDM : seule la lame a été lue
weights-unknown-average = inconnu (remplacé par la moyenne)
looked-none = Aucune explication n'a été faite
looked-faithful = Vérifié : sans la zone marquée, le résultat change
looked-unchecked = Non vérifié : ne montre peut-être pas ce qui a compté
looked-unreliable = Pas d'explication fiable
looked-caption = Où le modèle a regardé, et non où est une tumeur
looked-map = Carte { $share }
looked-method = { $method } ({ $number } sur { $count })

# A refusal
refused-title = Ces images ne doivent pas être évaluées
refused-why = Pourquoi
refused-next = Que faire
set-aside-why = L'appareil a échoué deux fois sur ce cas. Le cas est gardé, sans nouvel essai automatique.
set-aside-again = Essayer encore

# What a person thinks of it
review-agree = D'accord
review-disagree = Pas d'accord
review-save = Garder mon avis
review-reason = Pourquoi ? Il faut une raison.
review-kept = Votre avis est gardé à côté du résultat, avec votre rôle et l'heure. Il ne change rien au résultat.
review-agreed-before = Dernier avis : d'accord
review-disagreed-before = Dernier avis : pas d'accord

# A case leaves the box
export-nowhere = Aucun lieu d'export n'est réglé sur cet appareil
export-where = Le cas sera écrit dans { $folder }. Avec ou sans les identifiants ?
export-writing = Écriture du cas dans { $folder }
export-without = Sans identifiants
export-with = Avec identifiants
export-without-note = Le fichier ne désigne le patient que par le numéro du cas.
export-with-warning = Le fichier nomme le patient. Ne le donnez qu'à une personne autorisée.
export-write = Écrire le fichier
export-done = Le cas a été écrit et relu. Vous pouvez retirer la clé USB.

# Settings
settings-title = Réglages
settings-language = Langue et lettres
settings-log = Journal
settings-verify = Vérifier les registres
settings-pins = Définir un PIN
settings-about = Cet appareil
about-board = Carte
about-version = Version
about-bundle = Paquet
about-engine = Moteur
about-mirror = Miroir
language-unreviewed = Aucun clinicien n'a encore relu cette langue. Ce qui touche à la sécurité est aussi dit en anglais.
letters-plain = Lettres normales
letters-large = Grandes lettres
pin-role = PIN de qui ?
pin-new = Nouveau PIN : 6 à 12 chiffres
pin-again = Le même encore une fois
pin-setting = Le PIN est en cours d’enregistrement
pin-differ = Les deux PIN sont différents. Retapez le nouveau PIN.
log-reading = Lecture du journal
log-head = Notez ceci pour prouver plus tard que rien n'a été modifié : { $head }
log-newer = Récents
log-older = Anciens
done-control = Un cas de contrôle a été transmis
done-verified = Registres intacts : rien n'a été modifié
done-pin-set = Le PIN est défini
part-update = Mise à jour
update-installing = en cours
update-installed = redémarrez
update-refused = refusée
settings-restart = Redémarrer l'appareil
settings-restart-sure = Encore une fois : redémarrer
done-restart = L'appareil redémarre. Les cas en cours seront repris.
welcome-title = Bienvenue : choisissez une langue
welcome-keys = Les clés de cet appareil
welcome-pin = Un PIN pour l'administrateur
welcome-onward = Suite
welcome-no-pin = Sans PIN pour l'instant
keys-records = Dossiers des patients
keys-networks = Réseaux
key-box = scellés par une clé de cet appareil. Qui retire le disque ne peut pas les lire.
key-disk = scellés par une clé qui se trouve sur le même disque : cet appareil n'a pas de TPM. Qui prend le disque peut les lire.
key-pin = scellés par une clé qu'un PIN ouvre. Après chaque démarrage, quelqu'un le saisit.
key-file = scellés par une clé rangée à côté d'eux. Cela ne protège rien.
key-development = N'importe qui peut signer des réseaux pour cet appareil : pour essayer seulement, jamais pour des patients.
rescue-title = Cet appareil n'est pas prêt
rescue-next = L'appareil n'a rien effacé. Appelez le responsable de l'appareil.

# Refusals
note-missing-slice = Il manque une coupe à la TDM.
next-missing-slice = Exportez à nouveau toute la série.
note-uneven-slices = Les coupes de la TDM sont espacées irrégulièrement.
next-uneven-slices = Exportez une reconstruction à espacement régulier.
note-duplicate-slices = Deux coupes de la TDM sont à la même position.
next-duplicate-slices = Exportez une seule acquisition de la série, sans copies.
note-mixed-geometry = Les coupes de la TDM ne vont pas ensemble.
next-mixed-geometry = Exportez à nouveau la série en une seule reconstruction.
note-two-patients = La TDM contient plus d'un patient.
next-two-patients = Exportez un seul patient et réessayez.
note-several-series = Plusieurs séries TDM sont possibles.
next-several-series = Donnez uniquement la série voulue.
note-no-volume = Ce n'est pas une série TDM axiale.
next-no-volume = Exportez une série TDM axiale du thorax.
note-lesion-outside-volume = La lésion marquée est hors de la TDM.
next-lesion-outside-volume = Marquez la lésion dans le volume exploré.
note-no-lesion-candidate = Aucune lésion n'est marquée et aucune ne se détache.
next-no-lesion-candidate = Marquez la lésion à la main.
note-scale-unknown = L'échelle de l'image est inconnue.
next-scale-unknown = Étalonnez l'objectif.
note-scale-too-coarse = L'image est trop grossière pour montrer les noyaux.
next-scale-too-coarse = Utilisez un objectif d'au moins 10x.
note-not-colour = L'image est sans couleur.
next-not-colour = Prenez une image couleur d'une lame colorée H&E.
note-blank-image = L'image ne montre pas de tissu.
next-blank-image = Allez sur du tissu.
note-too-dark = L'image est trop sombre.
next-too-dark = Augmentez la lumière ou l'exposition.
note-blurred-image = L'image est floue.
next-blurred-image = Tournez la vis micrométrique : les noyaux doivent être nets.
note-image-too-small = L'image est trop petite.
next-image-too-small = Prenez un champ plus grand.
note-too-little-tissue = Il y a trop peu de tissu.
next-too-little-tissue = Allez sur du tissu.
note-stain-degenerate = La coloration est illisible.
next-stain-degenerate = Vérifiez la coloration H&E et la balance des blancs.

# Limits
note-no-ct = Pas de TDM.
next-no-ct = Seules les images H&E ont été lues.
note-no-he = Pas d'image H&E.
next-no-he = Seule la TDM a été lue.
note-metadata-missing = L'âge, le sexe ou le tabac est inconnu.
next-metadata-missing = La moyenne de la cohorte d'entraînement a été utilisée.
note-lesion-suggested = L'appareil a choisi la lésion.
next-lesion-suggested = Vérifiez que le cercle est sur la lésion voulue.
note-patch-clipped = Une partie de ce qui a été lu est hors de la TDM.
next-patch-clipped = Cette partie a été remplie d'air.
note-branches-disagree = TDM et H&E sont en faveur de classes différentes.
next-branches-disagree = Lisez les deux et jugez vous-même.
note-field-left-out = Un champ a été écarté.
next-field-left-out = Reprenez ce champ.
note-few-tiles = Il y avait peu de tissu à lire.
next-few-tiles = Ajoutez des champs avec du tissu.
note-stain-unusual = La coloration est inhabituelle.
next-stain-unusual = Vérifiez la coloration et la balance des blancs.
note-thick-slices = Les coupes de la TDM sont épaisses.
next-thick-slices = Utilisez une reconstruction plus fine s'il y en a une.
note-phantom-bundle = Les réseaux ont été entraînés sur des fantômes synthétiques.
next-phantom-bundle = Leurs chiffres ne veulent rien dire pour des patients.
note-control-overdue = Le cas de contrôle est en retard.
next-control-overdue = Faites évaluer le cas de contrôle.
note-control-failed = L'appareil a échoué à son cas de contrôle.
next-control-failed = Ne vous fiez pas au résultat. Faites vérifier l'appareil.
note-clock-not-trusted = La date de ce résultat est incertaine.
next-clock-not-trusted = Notez la date à la main.
note-other-patient-id = La TDM est arrivée sous un autre ID patient.
next-other-patient-id = Comparez la TDM aux papiers du patient.
note-ct-revised = D'autres coupes sont arrivées après l'envoi du cas.
next-ct-revised = Ouvrez un nouveau cas avec la TDM entière.
note-outside-training-range = Âge, sexe ou tabac hors de ce que l'entraînement a vu.
next-outside-training-range = Jugez vous-même la TDM et l'H&E.
