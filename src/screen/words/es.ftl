# Spanish. Not reviewed by a speaker with a clinical background.

decimal-sign = ,
percent = { $number } %
date = { $day } { $month ->
    [1] ene
    [2] feb
    [3] mar
    [4] abr
    [5] may
    [6] jun
    [7] jul
    [8] ago
    [9] sep
    [10] oct
    [11] nov
   *[12] dic
} { $year }
moment = { $day } { $month ->
    [1] ene
    [2] feb
    [3] mar
    [4] abr
    [5] may
    [6] jun
    [7] jul
    [8] ago
    [9] sep
    [10] oct
    [11] nov
   *[12] dic
} { $year }, { $time } UTC

# On every page
research-only = Solo para investigación: no es un diagnóstico
clock-not-trusted = La fecha puede estar mal
back = Atrás
close = Cerrar
lock = Bloquear
cancel = Cancelar

# The keyboard
key-space = Espacio
key-erase = Borrar
key-shift = Aa
key-more = Más
key-done = Listo

# Lock
lock-title = ¿Quién es usted?
lock-role = Elija quién es
lock-pin = PIN de { $role }
lock-starting = El equipo se está iniciando
lock-trying = Comprobando el PIN
role-operator = Operador
role-reviewer = Revisor
role-administrator = Administrador

# Why something was not done
denied-refused = Esto no debe hacerse con estos datos
denied-usage = Esto no se puede hacer ahora
denied-unreadable = Esto no se puede leer
denied-internal = El equipo no pudo hacer esto
denied-not-ready = El equipo no está listo para esto
denied-configuration = El equipo no está configurado para esto
denied-pin-wrong = PIN incorrecto
denied-pin-wait = Demasiados PIN incorrectos: espere
denied-role = Su rol no permite esto
denied-login = Primero inicie sesión

# Home
home-cases = Casos
home-no-cases = Ningún caso hoy
home-new = Nuevo caso
home-settings = Ajustes
home-device = Equipo
home-control-case = Caso de control
progress-draft = en preparación
progress-queued = en espera
progress-assessed = resultado
progress-refused = rechazado
progress-set-aside = apartado
progress-reviewed = revisado
progress-exported = exportado
part-camera = Cámara
part-share = Carpeta TC
part-storage = Disco
part-temperature = Temperatura
part-clock = Reloj
part-control = Caso de control
part-networks = Redes IA
part-well = OK
part-none = no hay
part-gone = no está
part-full = lleno
part-warm = alta
part-hot = excesiva
part-unknown = no se sabe
part-not-trusted = puede estar mal
part-overdue = atrasado
part-instead = motor de reserva
part-failed = falló
part-loading = cargando
part-never = aún sin hacer

# A new case
form-title = Nuevo caso
form-first = 1.º identificador
form-second = 2.º identificador
form-age = Edad en años
form-sex = Sexo
form-smoking = Tabaco
form-specimen = Muestra
form-required = necesario
form-unknown = no se sabe
form-open = Abrir el caso
form-female = mujer
form-male = hombre
form-never = nunca
form-former = lo dejó
form-current = actual
form-biopsy = biopsia
form-cytology = citología
form-resection = resección
form-age-wrong = La edad va de 0 a 120
form-same = Los dos identificadores son iguales
form-long = Máximo 64 caracteres
form-unshown = Un carácter no se puede mostrar
form-other-second = Caso { $cases }: mismo primer identificador, pero otro segundo. Puede ser otro paciente. Revise los dos.
form-same-patient = Es el mismo paciente

# A case before it is handed over
draft-submit = Pedir evaluación
draft-empty = Primero hace falta una TC o un campo
draft-earlier = Casos anteriores de este paciente: { $cases }
draft-no-ct = Aún sin TC
draft-no-lesion = Hay una TC. No hay lesión marcada: el equipo elegiría una
draft-ct = Hay una TC con una lesión marcada
draft-to-share = Elegir la TC
draft-to-ct = Marcar la lesión
draft-other-ct = Otra TC
draft-fields = { $count ->
    [0] Aún sin campos
    [one] Se tomó un campo
   *[other] Se tomaron { $count } campos
}
draft-to-microscope = Ir al microscopio

# The CT
ct-looking = Buscando en la carpeta compartida
ct-reading = Leyendo la TC
ct-none = No hay ninguna TC en la carpeta
ct-none-of-patient = En la carpeta no hay ninguna TC con el identificador de este paciente. Hay otras:
ct-choose = Elija la TC. Compare el identificador.
ct-slices = { $count ->
    [one] un corte
   *[other] { $count } cortes
}
ct-other-id = Esta TC lleva el ID de paciente { $found }. El caso es de { $case }. La TC puede ser de otro paciente.
ct-same-patient = Es del mismo paciente
ct-axial = Axial
ct-coronal = Coronal
ct-sagittal = Sagital
ct-axial-slice = Corte axial { $number } de { $count }
ct-coronal-slice = Corte coronal { $number } de { $count }
ct-sagittal-slice = Corte sagital { $number } de { $count }
ct-lung = Pulmón
ct-mediastinum = Mediast.
ct-next-candidate = Sugerir
ct-set-lesion = Fijar la lesión aquí
ct-no-id = sin identificador

# The microscope
microscope-no-camera = La cámara no da imagen
camera-busy = Otro programa usa la cámara
camera-hangs = La cámara no responde: desconéctela y vuelva a conectarla
camera-format = Esta cámara no da imágenes que se puedan leer
camera-large = Las imágenes de la cámara son demasiado grandes: elija un tamaño menor
microscope-preview = Vista previa: no se guarda nada hasta que tome un campo
microscope-preview-heat = Vista previa con las zonas que mira la red: no se guarda nada
microscope-heat = Dónde mira
microscope-take = Tomar este campo
microscope-auto = Auto
microscope-objective = Objetivo { $name }
microscope-count = { $count ->
    [one] Un campo
   *[other] { $count } campos
}; mejor con { $left } más
microscope-enough = { $count } campos: es suficiente
microscope-drop = Quitar el campo { $number }
live-good = Nítido y con tejido: tome el campo
live-blurred = Gire el micrométrico
live-no-tissue = Busque tejido
live-dark = Suba la luz
live-bright = Baje la luz
live-no-colour = No hay color: revise la tinción y la cámara
live-no-scale = No se conoce la escala: calibre el objetivo
live-checking = Comprobando la imagen
live-not-he = Esto no es tejido teñido: mire qué hay bajo la cámara
live-swapped = El rojo y el azul están cambiados: revise el formato de la cámara
live-moving = Mantenga quieto el portaobjetos
live-taken = Este lugar ya se tomó: siga adelante
live-stain = Tinción inusual: revise el portaobjetos y el balance de blancos
live-pen = Puede haber tinta: aléjese de ella
live-fold = El tejido puede estar plegado: aléjese del pliegue
live-bubble = Puede haber una burbuja de aire: aléjese de ella
live-warm = El aparato está caliente: la red mira menos veces
live-hot = El aparato está demasiado caliente: la red no mira
live-power = Alimentación débil: la red mira menos veces

# A case that waits
processing-title = El caso se está evaluando
processing-time = { $seconds } s hasta ahora; en general { $usual } s
processing-time-alone = { $seconds } s hasta ahora
processing-cancel = Parar y volver a la preparación
step-queue = En la cola
step-queue-before = { $count ->
    [0] Es el siguiente en la cola
    [one] Hay un caso antes
   *[other] Hay { $count } casos antes
}
step-reading = Se leen y comprueban las imágenes
step-ct = Se explora y puntúa la TC
step-fields = Se puntúan los campos
step-explaining = Se ponderan ambas y se muestra dónde miraron

# Before the result
first-title = ¿Qué ve en las imágenes? Dígalo antes de ver el resultado.
first-cannot-say = No puedo decirlo
first-reveal = Guardar y mostrar el resultado
first-no-image = No hay imagen
picture-next = Imagen { $number } de { $count }

# A result. "Normal" is never said alone: see result-normal.
result-favours = Los datos favorecen: { $class } ({ $share })
result-normal = Sin patrón tumoral en estas imágenes ({ $share }); no descarta cáncer
result-figures = Cifras
result-weights = Pesos
result-looked = Dónde miró
result-limits = Límites ({ $count })
result-opinion = Su opinión
result-export = Exportar
result-weakened = { $count ->
    [0] No se conocen limitaciones
    [one] Un punto debilita este resultado: léalo
   *[other] { $count } puntos debilitan este resultado: léalos
}
result-disagree = { $count ->
    [one] La TC y la H&E no coinciden: lea los límites
   *[other] La TC y la H&E no coinciden, y hay más que debilita este resultado ({ $count }): lea los límites
}
class-adenocarcinoma = adenocarcinoma
class-squamous = carcinoma de células escamosas
class-large-cell = carcinoma de células grandes
class-nsclc-nos = CPCNP-NOS, patrón de células grandes
class-small-cell = carcinoma de células pequeñas
class-normal = sin patrón tumoral
branch-fused = ambas
branch-ct = TC
branch-he = H&E
weights = La TC pesa { $ct }; la lámina, { $he }
weights-compared = Con edad, sexo y tabaco, la TC pesa { $ct } y la lámina { $he }; sin ellos, la TC pesaría { $without }
weights-ct-alone = No hay lámina: solo se leyó la TC
weights-he-alone = No hay TC: solo se leyó la lámina
weights-unknown-average = no se sabe (se usó el promedio)
looked-none = No se hizo ninguna explicación
looked-faithful = Comprobado: sin lo marcado, el resultado cambia
looked-unchecked = Sin comprobar: puede no mostrar lo que influyó
looked-unreliable = No hay explicación fiable
looked-caption = Dónde miró el modelo, no dónde hay un tumor
looked-map = Mapa { $share }
looked-method = { $method } ({ $number } de { $count })

# A refusal
refused-title = Estas imágenes no deben evaluarse
refused-why = Por qué
refused-next = Qué hacer
set-aside-why = El equipo falló dos veces con este caso. El caso se conserva y no se reintenta solo.
set-aside-again = Intentar otra vez

# What a person thinks of it
review-agree = De acuerdo
review-disagree = En desacuerdo
review-save = Guardar mi opinión
review-reason = ¿Por qué? Hace falta un motivo.
review-kept = Su opinión se guarda junto al resultado, con su rol y la hora. No cambia nada del resultado.
review-agreed-before = Última vez: de acuerdo
review-disagreed-before = Última vez: en desacuerdo

# A case leaves the box
export-nowhere = Este equipo no tiene definido un lugar para exportar
export-where = El caso se escribirá en { $folder }. ¿Con los identificadores o sin ellos?
export-writing = El caso se está escribiendo en { $folder }
export-without = Sin identificadores
export-with = Con identificadores
export-without-note = El archivo nombra al paciente solo por el número del caso.
export-with-warning = El archivo nombra al paciente. Entréguelo solo a quien esté autorizado.
export-write = Escribir el archivo
export-done = El caso se escribió y se releyó. Ya puede retirar la memoria USB.

# Settings
settings-title = Ajustes
settings-language = Idioma y letra
settings-log = Bitácora
settings-verify = Verificar registros
settings-pins = Definir un PIN
settings-about = Este equipo
about-board = Placa
about-version = Versión
about-bundle = Paquete
about-engine = Motor
about-mirror = Espejo
language-unreviewed = Ningún clínico ha revisado aún este idioma. Lo importante para la seguridad se dice también en inglés.
letters-plain = Letra normal
letters-large = Letra grande
pin-role = ¿PIN de quién?
pin-new = Nuevo PIN: de 6 a 12 cifras
pin-again = El mismo otra vez
pin-setting = Se está guardando el PIN
pin-differ = Los dos no eran iguales. Escriba otra vez el nuevo PIN.
log-reading = Leyendo la bitácora
log-head = Anote esto para probar después que nada se cambió: { $head }
log-newer = Más nuevo
log-older = Más viejo
done-control = Se envió un caso de control
done-verified = Los registros están íntegros: nada se cambió
done-pin-set = PIN definido
part-update = Actualización
update-installing = en curso
update-installed = reinicie el equipo
update-refused = rechazada
settings-restart = Reiniciar el equipo
settings-restart-sure = Otra vez: reiniciar ahora
done-restart = El equipo se reinicia. Los casos en curso empezarán de nuevo.
welcome-title = Bienvenido: elija un idioma
welcome-keys = Las claves de este equipo
welcome-pin = Un PIN para el administrador
welcome-onward = Seguir
welcome-no-pin = Sin PIN por ahora
keys-records = Registros de pacientes
keys-networks = Redes
key-box = sellados con una clave de este equipo. Quien saque el disco no puede leerlos.
key-disk = sellados con una clave que está en el mismo disco: este equipo no tiene TPM. Quien se lleve el disco puede leerlos.
key-pin = sellados con una clave que abre un PIN. Tras cada arranque alguien lo escribe.
key-file = sellados con una clave que está junto a ellos. Eso no protege nada.
key-development = Cualquiera puede firmar redes para este equipo: solo para pruebas, nunca para pacientes.
rescue-title = Este equipo no está listo
rescue-next = El equipo no borró nada. Avise al encargado del equipo.

# Refusals
note-missing-slice = Falta un corte de la TC.
next-missing-slice = Exporte otra vez la serie completa.
note-uneven-slices = Los cortes de la TC no están a distancias iguales.
next-uneven-slices = Exporte una reconstrucción con cortes a distancias iguales.
note-duplicate-slices = Dos cortes de la TC están en el mismo lugar.
next-duplicate-slices = Exporte una sola adquisición de la serie, sin copias.
note-mixed-geometry = Los cortes de la TC no son del mismo conjunto.
next-mixed-geometry = Exporte otra vez la serie como una sola reconstrucción.
note-two-patients = Hay más de un paciente en la TC.
next-two-patients = Exporte un solo paciente y pruebe otra vez.
note-several-series = Podría tratarse de más de una serie de TC.
next-several-series = Entregue solo la serie que corresponde.
note-no-volume = Esto no es una serie axial de TC.
next-no-volume = Exporte una serie axial de TC de tórax.
note-lesion-outside-volume = La lesión marcada está fuera de la TC.
next-lesion-outside-volume = Marque la lesión dentro del volumen explorado.
note-no-lesion-candidate = No hay lesión marcada y ninguna destaca.
next-no-lesion-candidate = Marque la lesión a mano.
note-scale-unknown = No se conoce la escala de la imagen.
next-scale-unknown = Calibre el objetivo.
note-scale-too-coarse = La imagen no tiene detalle para mostrar los núcleos.
next-scale-too-coarse = Use un objetivo de al menos 10x.
note-not-colour = La imagen no tiene color.
next-not-colour = Tome una imagen en color de una lámina con H&E.
note-blank-image = La imagen no muestra tejido.
next-blank-image = Busque tejido.
note-too-dark = La imagen está muy oscura.
next-too-dark = Suba la luz o la exposición.
note-blurred-image = La imagen está desenfocada.
next-blurred-image = Gire el tornillo micrométrico hasta ver nítidos los núcleos.
note-image-too-small = La imagen es muy pequeña.
next-image-too-small = Tome un campo más grande.
note-too-little-tissue = Hay muy poco tejido.
next-too-little-tissue = Busque más tejido.
note-stain-degenerate = La tinción no se puede leer.
next-stain-degenerate = Revise la tinción H&E y el balance de blancos.

# Limits
note-no-ct = No había TC.
next-no-ct = Solo se leyeron las imágenes H&E.
note-no-he = No había imagen H&E.
next-no-he = Solo se leyó la TC.
note-metadata-missing = No se sabe la edad, el sexo o el tabaco.
next-metadata-missing = Se usó en su lugar el promedio de la cohorte de entrenamiento.
note-lesion-suggested = El equipo eligió la lesión.
next-lesion-suggested = Compruebe que el círculo está sobre la lesión correcta.
note-patch-clipped = Parte de lo que se leyó queda fuera de la TC.
next-patch-clipped = Esa parte se rellenó con aire.
note-branches-disagree = La TC y la H&E favorecen clases distintas.
next-branches-disagree = Lea las dos y valórelas usted.
note-field-left-out = Se dejó fuera un campo.
next-field-left-out = Tome otra vez el campo.
note-few-tiles = Había poco tejido para leer.
next-few-tiles = Agregue campos con tejido.
note-stain-unusual = La tinción es inusual.
next-stain-unusual = Revise la tinción y el balance de blancos.
note-thick-slices = Los cortes de la TC son gruesos.
next-thick-slices = Use una reconstrucción más fina, si la hay.
note-phantom-bundle = Las redes se entrenaron con fantomas sintéticos.
next-phantom-bundle = Sus cifras no significan nada en pacientes.
note-control-overdue = El caso de control está atrasado.
next-control-overdue = Pida la evaluación del caso de control.
note-control-failed = El equipo falló en su caso de control.
next-control-failed = No se fíe del resultado. Haga revisar el equipo.
note-clock-not-trusted = La fecha de este resultado es dudosa.
next-clock-not-trusted = Anote la fecha a mano.
note-other-patient-id = La TC llegó con otro ID de paciente.
next-other-patient-id = Compare la TC con los papeles del paciente.
note-ct-revised = Llegaron más cortes después de enviar el caso.
next-ct-revised = Abra un caso nuevo con la TC completa.
note-outside-training-range = Edad, sexo o tabaco fuera de lo visto en el entrenamiento.
next-outside-training-range = Valore usted la TC y la H&E.
